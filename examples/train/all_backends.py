"""Trains the models on every backend, exports each to every installed target, and says what came of it: ``make backends``.

    python all_backends.py [--folder build/backends] [--backend NAME …] [--model NAME …] [--target NAME …]

A cell of the table is the largest error that the artifact showed on its own runtime against the backend that trained the model, of the
output's range; or a letter, which is explained below. The exit code is 1 where something failed that is not known to.

``table.md`` in the folder has the same in short, a column a backend: the largest error of all targets that keep weights in float32.
"""

import argparse
import datetime
import json
import string
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import kexport
from kexport import backends, plugins

HERE = Path(__file__).resolve().parent

#: The code of the model ``custom``.
CUSTOM = HERE / "custom_layers.py"

#: What is known not to be: (backend, model) → why.
LIMITS = {
    ("keras1-theano", "custom"): "today's Keras, which traces the custom code, reads no models of Keras 1",
}


@dataclass
class Table:
    """Cells by row (backend, model) and target; reasons by letter; the targets whose weights are float16."""

    cells: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    float16: set[str] = field(default_factory=set)
    failed: bool = False

    def note(self, reason: str) -> str:
        """The letter of a reason."""
        letters = {why: letter for letter, why in self.reasons.items()}
        if reason not in letters:
            place = len(letters)
            letters[reason] = string.ascii_letters[place] if place < 52 else str(place)
            self.reasons[letters[reason]] = reason
        return letters[reason]

    def show(self, targets: list[str]) -> None:
        width = max(12, *(len(target) + 2 for target in targets))
        print("".join(["backend".ljust(16), "model".ljust(16), *(target.ljust(width) for target in targets)]))
        for (backend, model), row in self.cells.items():
            shown = [row.get(target, "").ljust(width) for target in targets]
            print("".join([backend.ljust(16), model.ljust(16), *shown]).rstrip())
        for letter, reason in self.reasons.items():
            print(f"  {letter}: {reason}")

    def in_short(self, targets: list[str]) -> str:
        """A column a backend, in Markdown: the largest error of the targets whose weights are float32, else the letters of what was not
        exported; then that of the others."""
        exact = [target for target in targets if target not in self.float16]
        names = list(dict.fromkeys(backend for backend, _ in self.cells))
        models = list(dict.fromkeys(model for _, model in self.cells))
        lines = [f"{datetime.date.today()}, kexport {kexport.__version__}: {', '.join(exact)}", ""]
        lines += [f"| | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
        for model in models:
            shown = [self._worst((name, model), exact) for name in names]
            lines.append(f"| `{model}` | {' | '.join(shown)} |")
        lines += ["", *(f"- {letter}: {reason}" for letter, reason in self.reasons.items())]
        for target in sorted(self.float16):
            errors = [row[target] for row in self.cells.values() if row[target] not in self.reasons]
            lines.append(f"- {target}, whose weights are float16: at most {max(errors, key=float)}")
        lines += [f"- `{name}`: {versions}" for name, versions in self.versions.items()]
        return "\n".join([*lines, ""])

    def _worst(self, row: tuple[str, str], targets: list[str]) -> str:
        """The largest of a row's errors, or the letters in it; empty where the backend has no such row."""
        cells = {self.cells[row][target] for target in targets} if row in self.cells else set()
        return " ".join(sorted(cells & set(self.reasons))) or max(cells, key=float, default="")


def trained(backend: str, folder: Path, data: Path, models: list[str]) -> list[dict[str, object]]:
    """What ``train.py`` says of each model on a backend.

    Raises:
        subprocess.CalledProcessError: it fails.
    """
    environment = backends.environment(backend)
    assert environment is not None
    command = [*environment.interpreter, str(HERE / "train.py"), str(folder), "--data", str(data)]
    command += [word for model in models for word in ("--model", model)]
    log = folder.with_suffix(".log")
    with log.open("w") as errors:
        done = subprocess.run(
            command,
            env=environment.process_environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            check=False,
        )
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, stderr=log.read_text()[-2000:])
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def exported(table: Table, backend: str, model: str, path: Path, targets: list[str]) -> None:
    """Export one model to all targets, and fill its row."""
    row = table.cells.setdefault((backend, model), {})
    recipe = backends.RECIPES[backend]
    code = {"custom_objects": CUSTOM} if model == "custom" else {}
    output = path.parent / "exports" / path.stem
    try:
        # Neither files of Keras 1 nor .keras files say what trained them.
        result = kexport.export(path, targets, output=output, trained_on=recipe.backend, **code)
    except kexport.KexportError as error:
        known = LIMITS.get((backend, model))
        row.update(dict.fromkeys(targets, table.note(known or str(error).replace("\n", " "))))
        table.failed = table.failed or known is None
        return
    for item in result.targets:
        if item.options.get("float16"):
            table.float16.add(item.target)
        if item.verdict is not None:
            row[item.target] = f"{item.verdict.max_rel_error:.1e}"
        else:
            row[item.target] = table.note(item.reason.replace("\n", " "))
            table.failed = True
    for target, error in result.failures.items():
        row[target] = table.note(str(error).replace("\n", " "))
        table.failed = True


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("build/backends"))
    parser.add_argument("--backend", action="append", choices=list(backends.RECIPES), metavar="NAME")
    parser.add_argument("--model", action="append", default=[], metavar="NAME")
    parser.add_argument("--target", action="append", metavar="NAME")
    options = parser.parse_args()
    targets = options.target or plugins.target_names()
    data = options.folder / "data"
    subprocess.run([sys.executable, str(HERE / "prepare_data.py"), str(data)], check=True)
    table = Table()
    for backend in options.backend or backends.RECIPES:
        folder = options.folder / backend
        folder.mkdir(parents=True, exist_ok=True)
        try:
            table.versions[backend] = backends.setup(backend, progress=say).versions
        except kexport.KexportError as error:
            table.cells[backend, "-"] = dict.fromkeys(targets, table.note(str(error).replace("\n", " ")))
            table.failed = True
            continue
        say(f"{backend}: training")
        try:
            told = trained(backend, folder, data, options.model)
        except subprocess.CalledProcessError as error:
            table.cells[backend, "-"] = dict.fromkeys(targets, table.note(f"training fails: {error.stderr}"))
            table.failed = True
            continue
        for line in told:
            model = str(line["model"])
            if "lacking" in line:
                table.cells[backend, model] = dict.fromkeys(targets, table.note(str(line["lacking"])))
                continue
            say(f"{backend}: {json.dumps(line)}")
            exported(table, backend, model, folder / str(line["file"]), targets)
    table.show(targets)
    (options.folder / "table.md").write_text(table.in_short(targets), "utf-8")
    return int(table.failed)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
