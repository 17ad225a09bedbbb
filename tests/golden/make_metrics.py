"""Write metrics.json: rankings, grades, and the figures that pytrec_eval gives them."""
# pyright: basic

import json
import random
from pathlib import Path

import pytrec_eval

MEASURES = {"ndcg_cut.10", "recip_rank", "recall.1,5,10"}

random.seed(7)
cases = []
for _ in range(12):
    docs = [f"d{number}" for number in range(random.choice([3, 8, 25]))]
    random.shuffle(docs)
    judged = random.sample(docs, min(len(docs), 5))
    grades = {name: random.choice([0, 0, 1, 1, 2, 3]) for name in judged}
    missed = random.choice([0, 0, 1, 3])
    grades |= {f"x{number}": random.choice([1, 2]) for number in range(missed)}
    if not any(grades.values()):
        grades[docs[-1]] = 1
    run = {name: float(len(docs) - rank) for rank, name in enumerate(docs)}
    found = pytrec_eval.RelevanceEvaluator({"q": grades}, MEASURES).evaluate({"q": run})["q"]
    cases.append(
        {
            "ranking": docs,
            "grades": {name: grade for name, grade in grades.items() if grade > 0},
            "ndcg_10": round(found["ndcg_cut_10"], 6),
            "reciprocal_rank": round(found["recip_rank"], 6),
            "recall": [round(found[f"recall_{depth}"], 6) for depth in (1, 5, 10)],
        }
    )
written = json.dumps(cases, separators=(",", ":")) + "\n"
(Path(__file__).parent / "metrics.json").write_text(written)
