"""Lets `if` work on traced conditions, and refuses the bodies for which it could not.

`if c:` becomes `for _ in s.when(c):`, `else:` becomes `for _ in s.otherwise():`.  A tracer runs
both branches, one after the other, so what one of them assigns must not be seen outside of it.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
Loop = ast.For | ast.While
Use = tuple[str, bool, int]  # a name, whether it is assigned, and its line


class _Rewriter(ast.NodeTransformer):
    """The rewriting itself."""

    def visit_If(self, node: ast.If) -> list[ast.stmt]:
        self.generic_visit(node)
        guard = [self._loop("when", [node.test], node.body, node)]
        if node.orelse:
            guard.append(self._loop("otherwise", [], node.orelse, node))
        return guard

    def _loop(
        self, method: str, args: list[ast.expr], body: list[ast.stmt], at: ast.AST
    ) -> ast.stmt:
        call = ast.Call(ast.Attribute(ast.Name("s", ast.Load()), method, ast.Load()), args, [])
        target = ast.Name("_", ast.Store())
        loop = ast.For(target=target, iter=call, body=body, orelse=[], type_comment=None)
        return ast.fix_missing_locations(ast.copy_location(loop, at))


def _uses(nodes: Iterable[ast.AST]) -> Iterator[Use]:
    """The names in the nodes, values before the targets that they are assigned to."""
    for node in nodes:
        if isinstance(node, ast.Name):
            yield node.id, not isinstance(node.ctx, ast.Load), node.lineno
            continue
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, False, node.lineno
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            children.sort(key=lambda c: c is not node.value)
        elif isinstance(node, ast.For):
            children.sort(key=lambda c: c is not node.iter)
        yield from _uses(children)
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            yield from ((name, True, line) for name, _, line in _uses([node.value]))


def _assigned(nodes: Iterable[ast.AST]) -> set[str]:
    return {name for name, stored, _ in _uses(nodes) if stored}


def _inputs(nodes: Iterable[ast.AST]) -> set[str]:
    """Names that the nodes read before they assign them."""
    seen: dict[str, bool] = {}
    for name, stored, _ in _uses(nodes):
        seen.setdefault(name, stored)
    return {name for name, stored in seen.items() if not stored}


def _leaves_loop(nodes: Iterable[ast.AST]) -> bool:
    """Whether a break or continue in the nodes belongs to a loop around them."""
    return any(
        isinstance(node, ast.Break | ast.Continue)
        or (not isinstance(node, Loop) and _leaves_loop(ast.iter_child_nodes(node)))
        for node in nodes
    )


class _Lint(ast.NodeVisitor):
    """Finds what would escape its condition; SyntaxError names it."""

    def __init__(self, tree: ast.FunctionDef) -> None:
        self.tree = tree
        self.loops: list[Loop] = []

    def visit_For(self, node: ast.For) -> None:
        self._loop(node)

    def visit_While(self, node: ast.While) -> None:
        self._loop(node)

    def _loop(self, node: Loop) -> None:
        self.loops.append(node)
        self.generic_visit(node)
        self.loops.pop()

    def visit_If(self, node: ast.If) -> None:
        if _leaves_loop([*node.body, *node.orelse]):
            raise SyntaxError(f"{self.tree.name}: break or continue inside an `if`")
        assigned, end = _assigned([*node.body, *node.orelse]), node.end_lineno or 0
        after = {name for name, stored, line in _uses([self.tree]) if line > end and not stored}
        self._refuse(assigned & after, "used after it")
        self._refuse(_assigned(node.body) & _inputs(node.orelse), "used in its `else`")
        for loop in self.loops:
            self._refuse(assigned & _inputs(loop.body), "used by the loop's next turn")
        self.generic_visit(node)

    def _refuse(self, names: set[str], why: str) -> None:
        if names:
            name = self.tree.name
            raise SyntaxError(
                f"{name}: {min(names)!r} is assigned inside an `if` and {why}: use ite"
            )


def traceable(fn: F) -> F:
    """Rewrite the `if` statements of an instruction body (a no-op when it has none)."""
    source = textwrap.dedent(inspect.getsource(fn))
    if "if " not in source:
        return fn
    module = ast.parse(source)
    tree = module.body[0]
    assert isinstance(tree, ast.FunctionDef)
    tree.decorator_list = []
    _Lint(tree).visit(tree)
    module = ast.fix_missing_locations(_Rewriter().visit(module))
    ast.increment_lineno(module, fn.__code__.co_firstlineno - 1)
    space: dict[str, Any] = {}
    closure = inspect.getclosurevars(fn).nonlocals
    exec(compile(module, fn.__code__.co_filename, "exec"), {**fn.__globals__, **closure}, space)
    rewritten: F = space[fn.__name__]
    return rewritten
