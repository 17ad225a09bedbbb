"""``bindery collections change | rebuild | rollback | generations | verify | delete``."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
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
from bindery.faces.cli.progress import follow_on
from bindery.faces.python import open_library
from bindery.jobs import Jobs
from bindery.jobs.following import run_followed
from bindery.search.collection import Collection, Collections
from bindery.search.comparing import RebuildEstimate
from bindery.search.generations import GenerationFacts, Run
from bindery.settings import Settings


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


@contextmanager
def _opened(settings: Settings, name: str) -> Generator[Collection]:
    with closing(open_library(settings)) as library:
        yield Collections(library).get(name)


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


def rebuild(settings: Settings, name: str, asked: RebuildArguments) -> None:
    """Make a collection again by other options, or the files of its index if there are none."""
    with _opened(settings, name) as collection:
        if asked.drops:
            dropped = collection.generations.drop()
            _tell({"dropped": dropped}, f"{count(dropped, 'generation')} dropped.", asked.json)
            return
        if asked.model is None and not asked.options:
            collection.rebuild_index()
            facts = collection.facts()
            segments = count(facts["segments"], "segment")
            _tell(facts, f"The index of {printable(name)} is made again: {segments}.", asked.json)
            return
        recipe = collection.generations.wanted(asked.model, asked.options)
        estimate = collection.generations.estimate(recipe)
        if asked.estimates:
            _tell(estimate.facts(), _estimated(estimate), asked.json)
            return
        if not asked.json:
            messages().print(_estimated(estimate), soft_wrap=True)
        _warn(estimate)
        question = f"Rebuild {printable(name)}?"
        confirm(question, confirmed=asked.confirms, json=asked.json)
        collection.rebuild(
            asked.model, accepts_loss=asked.accepts_loss, run=run_shown(asked.json), **asked.options
        )
        _tell_switched(collection, json=asked.json)


def rollback(settings: Settings, name: str, *, accepts_loss: bool, json: bool) -> None:
    """Have the former generation of a collection answer again."""
    with _opened(settings, name) as collection:
        collection.rollback(accepts_loss=accepts_loss, run=run_shown(json))
        _tell_switched(collection, json=json)


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


def run_shown(json: bool) -> Run:
    """Run a job and show its progress, or that of the process that runs it."""

    def run(jobs: Jobs, job_id: str) -> None:
        try:
            follow = follow_on(messages(), json=json)
            with follow:
                run_followed(jobs, job_id, lambda events: [*map(follow.tell, events)], Jobs.finish)
        except KeyboardInterrupt:
            messages().print("Stopped. Run the same command again to resume.", soft_wrap=True)
            raise

    return run


def _tell(facts: Mapping[str, Any], text: str, json: bool) -> None:
    if json:
        print_json(facts)
    else:
        output().print(text, soft_wrap=True)


def _estimated(estimate: RebuildEstimate) -> str:
    minutes = ""
    if estimate.minutes is not None:
        is_short = estimate.minutes < 1
        minutes = ", less than a minute" if is_short else f", about {estimate.minutes:,.0f} minutes"
    known = f" ({estimate.chunks_known:,} embedded already)" if estimate.chunks_known else ""
    return (
        f"{count(estimate.files, 'file')}, about {estimate.chunks:,} chunks{known}, "
        f"{estimate.tokens:,} tokens to embed{minutes}, {estimate.size_bytes / 1e6:,.1f} MB."
    )


def _warn(estimate: RebuildEstimate) -> None:
    for file, why in estimate.unreadable.items():
        print_warning(why, about=printable(file))


def _tell_switched(collection: Collection, *, json: bool) -> None:
    [active] = [one for one in collection.generations if one.state == "active"]
    facts = {"name": collection.name, **active.facts()}
    text = f"{printable(collection.name)} answers from {active.model}, size {active.size}."
    _tell(facts, text + _compared(active), json)


def _compared(active: GenerationFacts) -> str:
    found = active.comparison
    if found is None or found["overlap"] is None:
        return ""
    return (
        f" Of {found['queries']} queries from its own texts, {found['found']:.0%} find their "
        f"passage among the best 10 ({found['found_before']:.0%} before); {found['overlap']:.0%} "
        "of the former best 10 are among the new ones. "
        "bindery collections rollback takes it back."
    )
