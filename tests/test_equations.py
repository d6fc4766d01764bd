"""The index of the paper's equations in the package's docstring, and the tags that it leads to."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "sc_sionna"
FILES = sorted(PACKAGE.rglob("*.py"))
ENTRY = re.compile(r"^(Eq\. \(\d+\)|Algorithm \d): (.+?)(?=^(?:Eq\.|Algorithm)|\Z)", flags=re.MULTILINE | re.DOTALL)
TARGET = re.compile(r"``([\w.]+):([\w.]+)``")
TAGS = [f"Eq. ({number})" for number in range(1, 18)] + [f"Algorithm {number}" for number in (1, 2, 3)]
# A reference to an equation or an algorithm in any words, and the one spelling of each. "eq7" is a name in records.
REFERENCE = re.compile(
    r"\bEqs?[.~ ]*\(?\d+|\beqs?[. ]+\(?\d+|\b[Ee]q(?:uation|n)s?\.?[ ~]*\(?\d+"
    r"|\b[Aa]lg(?:orithm)?s?\.?[ ~]+\d+|\bAlg(?:orithm)?s?\d+|# ?[Ll]ines? \d+"
)
SPELLING = re.compile(r"Eq\. \(\d+|Algorithm [123]")


def index() -> dict[str, list[tuple[str, str]]]:
    """The targets of every entry, as module and object."""
    text = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))) or ""
    return {tag: TARGET.findall(entry) for tag, entry in ENTRY.findall(text)}


def source_of(module: str, name: str, package: Path = PACKAGE) -> str:
    """The lines of a function, class, method or module-level value; found in the text, nothing is imported."""
    path = package.joinpath(*module.split(".")).with_suffix(".py")
    source = path.read_text(encoding="utf-8")
    scope: ast.AST = ast.parse(source)
    for part in name.split("."):
        found = [node for node in getattr(scope, "body", []) if part in names_of(node)]
        assert len(found) == 1, f"{module} has no {name}"
        scope = found[0]
    return "\n".join(source.splitlines()[scope.lineno - 1 : scope.end_lineno])  # type: ignore[attr-defined]


def names_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    return [t.id for t in node.targets if isinstance(t, ast.Name)] if isinstance(node, ast.Assign) else []


def comments(source: str) -> str:
    """The comments of some lines of a module, which may be indented."""
    lines = source.splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    tokens = tokenize.generate_tokens(io.StringIO("\n".join(line[indent:] for line in lines)).readline)
    return "\n".join(token.string for token in tokens if token.type == tokenize.COMMENT)


def carries(source: str, tag: str) -> bool:
    """Whether a comment has the tag, also of a part of the equation, "Eq. (4a)", or of a line of the algorithm."""
    stem = re.escape(tag.removesuffix(")"))
    after = r"[abc]?\)" if tag.endswith(")") else r"\b"
    return re.search(stem + after, comments(source)) is not None


def test_the_index_has_every_equation_and_algorithm_once_and_in_order() -> None:
    assert list(index()) == TAGS


@pytest.mark.parametrize("tag", TAGS)
def test_every_target_exists_and_carries_its_tag(tag: str) -> None:
    targets = index()[tag]
    assert targets
    for module, name in targets:
        assert carries(source_of(module, name), tag), f"{module}:{name} lacks the tag {tag}"


def test_every_tag_in_a_comment_of_the_chain_is_one_of_a_target() -> None:
    """Where code computes an equation the index leads there; experiments and figures may name one without that."""
    targets = {(module.replace(".", "/") + ".py") for found in index().values() for module, _ in found}
    for folder in ("semantic", "phy", "attacks", "training"):
        for path in (PACKAGE / folder).rglob("*.py"):
            text = comments(path.read_text(encoding="utf-8"))
            if re.search(r"# (?:Eq\. \(\d+[abc]?\)|Algorithm \d, line)", text):
                assert str(path.relative_to(PACKAGE)) in targets


def test_lines_of_the_algorithms_are_where_the_index_leads() -> None:
    lines = {
        "Algorithm 1": ("4", "5", "6", "8", "9"),
        "Algorithm 2": ("2", "3", "4"),
        "Algorithm 3": ("2", "3", "4", "5"),
    }
    for tag, numbers in lines.items():
        text = "\n".join(comments(source_of(*target)) for target in index()[tag])
        for number in numbers:
            assert f"{tag}, line {number}" in text


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_there_is_one_spelling(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    other = [found[0] for found in REFERENCE.finditer(text) if SPELLING.match(text, found.start()) is None]
    assert not other


def test_other_spellings_are_seen() -> None:
    for text in (
        "Eq 7",
        "eq. (7)",
        "Eq. 7",
        "Eqs. (1)",
        "Equation 7",
        "equation (7)",
        "Alg. 1",
        "algorithm 2",
        "Eq.(7)",
    ):
        assert REFERENCE.search(text)
        assert not SPELLING.match(text)
    assert REFERENCE.search("step  # line 4")
    assert SPELLING.match("Eq. (4a)")
    assert not REFERENCE.search("the attack eq7, 4 draws, of the equation of a block 7 and sequences 1")


def test_the_scan_sees_comments_alone(tmp_path: Path) -> None:
    lines = ("class A:", "    def f(self):", '        """Eq. (3)."""', '        return "Eq. (4)"  # Eq. (17)', "B = (")
    (tmp_path / "m.py").write_text("\n".join((*lines, "    # Eq. (5b)", "    1,", ")", "")))
    method = source_of("m", "A.f", tmp_path)
    assert [tag for tag in TAGS if carries(method, tag)] == ["Eq. (17)"]
    assert carries(source_of("m", "B", tmp_path), "Eq. (5)")
    with pytest.raises(AssertionError, match="m has no A"):
        source_of("m", "A.g", tmp_path)
