"""``bindery collections change | rebuild | rollback | generations | verify | delete``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bindery.faces.cli.asking import Asked, Facts
from bindery.faces.cli.printing import (
    confirm,
    count,
    messages,
    new_table,
    output,
    print_json,
    print_warning,
    printable,
)
from bindery.faces.cli.progress import follow_lines
from bindery.search import local_work
from bindery.search.collection import Collections
from bindery.search.local_work import LocalWork


@dataclass(frozen=True, slots=True)
class RebuildArguments:
    """What ``bindery collections rebuild`` was asked for; ``options`` are those given."""

    model: str | None
    options: Mapping[str, Any]
    estimates: bool = False
    drops: bool = False
    accepts_loss: bool = False
    confirms: bool = False
    json: bool = False

    def body(self) -> Facts:
        """The new recipe, for a server."""
        return {**self.options, **({} if self.model is None else {"model": self.model})}


def change(
    asked: Asked,
    name: str,
    new_name: str | None,
    changes: Mapping[str, Any],
    unset: Sequence[str],
    *,
    json: bool,
) -> None:
    """Rename a collection, or change its settings."""

    def alone(found: Collections) -> Facts:
        collection = found.get(name)
        collection.change(name=new_name, unset=unset, **changes)
        return collection.facts()

    body = {**changes, "unset": [*unset], **({} if new_name is None else {"name": new_name})}
    facts = asked.get("PATCH", name, body=body, alone=alone)
    if json:
        print_json(facts)
    else:
        output().print(f"{printable(facts['name'])} is changed.")


def rebuild(asked: Asked, name: str, wanted: RebuildArguments) -> None:
    """Make a collection again by other options, or the files of its index if there are none."""
    if wanted.drops:
        facts = asked.get("DELETE", name, "generations", alone=lambda all_: _drop(all_, name))
        _tell(facts, f"{count(facts['dropped'], 'generation')} dropped.", wanted.json)
        return
    asked = asked.for_model(wanted.model)
    if wanted.model is None and not wanted.options:
        facts = _rebuilt(asked, name, wanted)
        segments = count(facts["segments"], "segment")
        _tell(facts, f"The index of {printable(name)} is made again: {segments}.", wanted.json)
        return
    with asked.kept_open():
        estimate = _estimate(asked, name, wanted)
        if wanted.estimates:
            _tell(estimate, _estimated(estimate), wanted.json)
            return
        if not wanted.json:
            messages().print(_estimated(estimate), soft_wrap=True)
        for file, why in estimate["unreadable"].items():
            print_warning(why, about=printable(file))
        question = f"Rebuild {printable(name)}?"
        confirm(question, confirmed=wanted.confirms, json=wanted.json)
        _tell_switched(_rebuilt(asked, name, wanted), json=wanted.json)


def _drop(found: Collections, name: str) -> Facts:
    return {"dropped": found.get(name).generations.drop()}


def _estimate(asked: Asked, name: str, wanted: RebuildArguments) -> Facts:
    def alone(found: Collections) -> Facts:
        generations = found.get(name).generations
        recipe = generations.wanted(wanted.model, wanted.options)
        return generations.estimate(recipe).facts()

    return asked.get("POST", name, "rebuild", "estimate", body=wanted.body(), alone=alone)


def _rebuilt(asked: Asked, name: str, wanted: RebuildArguments) -> Facts:
    def alone() -> LocalWork:
        return partial(
            local_work.rebuild,
            name,
            wanted.model,
            wanted.options,
            accepts_loss=wanted.accepts_loss,
        )

    body = {**wanted.body(), "accepts_loss": wanted.accepts_loss}
    return follow_lines(asked.work(name, "rebuild", body=body, alone=alone), json=wanted.json)


def roll_back(asked: Asked, name: str, *, accepts_loss: bool, json: bool) -> None:
    """Have the former generation of a collection answer again."""

    def alone() -> LocalWork:
        return partial(local_work.roll_back, name, accepts_loss=accepts_loss)

    body = {"accepts_loss": accepts_loss}
    lines = asked.work(name, "rollback", body=body, alone=alone)
    _tell_switched(follow_lines(lines, json=json), json=json)


def list_generations(asked: Asked, name: str, *, json: bool) -> None:
    """Show the generations of a collection."""

    def alone(found: Collections) -> Facts:
        return {"generations": [one.facts() for one in found.get(name).generations]}

    answer = asked.get("GET", name, "generations", alone=alone)
    if json:
        print_json(answer)
        return
    table = new_table("state", "model", "strategy", "size", "dimensions", "files missing")
    for one in answer["generations"]:
        row = (one["state"], one["model"], one["strategy"], str(one["size"]))
        table.add_row(*row, str(one["dimensions"]), f"{one['files_missing']:,}")
    output().print(table)


def verify(asked: Asked, name: str, *, json: bool) -> bool:
    """Compare the index of a collection with the catalog; whether nothing is wrong."""
    report = asked.get("POST", name, "verify", alone=lambda found: found.get(name).verify().facts())
    if json:
        print_json(report)
        return report["is_sound"]
    for problem in report["problems"]:
        print_warning(problem["message"], about=printable(problem["file"] or problem["segment"]))
    sizes = ", ".join(count(report[f"{what}s"], what) for what in ("segment", "file", "chunk"))
    if report["is_sound"]:
        output().print(f"{printable(name)}: {sizes}; all as the catalog has them.", soft_wrap=True)
        return True
    output().print(
        f"{printable(name)}: {count(len(report['problems']), 'problem')} in {sizes}. "
        f"bindery collections rebuild {printable(name)} makes the index again.",
        soft_wrap=True,
    )
    return False


def _tell(facts: Mapping[str, Any], text: str, json: bool) -> None:
    if json:
        print_json(facts)
    else:
        output().print(text, soft_wrap=True)


def _estimated(estimate: Facts) -> str:
    minutes = ""
    if estimate["minutes"] is not None:
        is_short = estimate["minutes"] < 1
        about = f", about {estimate['minutes']:,.0f} minutes"
        minutes = ", less than a minute" if is_short else about
    known = f" ({estimate['chunks_known']:,} embedded already)" if estimate["chunks_known"] else ""
    return (
        f"{count(estimate['files'], 'file')}, about {estimate['chunks']:,} chunks{known}, "
        f"{estimate['tokens']:,} tokens to embed{minutes}, {estimate['size_bytes'] / 1e6:,.1f} MB."
    )


def _tell_switched(active: Facts, *, json: bool) -> None:
    text = f"{printable(active['name'])} answers from {active['model']}, size {active['size']}."
    _tell(active, text + _compared(active["comparison"]), json)


def _compared(found: Facts | None) -> str:
    if found is None or found["overlap"] is None:
        return ""
    return (
        f" Of {found['queries']} queries from its own texts, {found['found']:.0%} find their "
        f"passage among the best 10 ({found['found_before']:.0%} before); {found['overlap']:.0%} "
        "of the former best 10 are among the new ones. "
        "bindery collections rollback takes it back."
    )
