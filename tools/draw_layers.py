"""Draw the packages of rsn_mm by layer, with what imports what, as docs/architecture.md shows them.

Layers are those that pyproject.toml names, and the tests hold; arrows are read from the sources. Not drawn are imports that
others imply (a imports b, b imports c, a imports c), and those of the lowest layer, which all take from.

Example:
    python tools/draw_layers.py docs/images/layers.svg
"""
import argparse
import ast
from html import escape
from pathlib import Path
from typing import Dict, List, Set, Tuple

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib  # of pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = 'rsn_mm'
BOX, GAP, ROW, MARGIN = (132, 34), 18, 74, 12


def layers() -> List[List[str]]:
    """Names of the packages of each layer, top first."""
    config = tomllib.loads((ROOT / 'pyproject.toml').read_text(encoding='utf-8'))
    contract = next(one for one in config['tool']['importlinter']['contracts'] if one['name'] == 'Layers')
    return [[name.strip() for name in layer.split('|')] for layer in contract['layers']]


def imports() -> Dict[str, Set[str]]:
    """For each package or module right below the root, those that its files import, without itself."""
    found: Dict[str, Set[str]] = {}
    for path in sorted((ROOT / PACKAGE).rglob('*.py')):
        module = path.relative_to(ROOT).with_suffix('').parts
        if '.mim' in module or module[1:] == ('__init__', ):
            continue
        inside = module[:-1] if module[-1] != '__init__' else module[:-1]
        own = module[1]
        targets = found.setdefault(own, set())
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            for name in _imported(node, inside):
                if name[:1] == (PACKAGE, ) and len(name) > 1 and name[1] != own:
                    targets.add(name[1])
    known = set(found)
    return {name: targets & known for name, targets in found.items()}


def _imported(node: ast.AST, inside: Tuple[str, ...]) -> List[Tuple[str, ...]]:
    """Dotted names that an import statement in the package ``inside`` stands for, split at the dots."""
    if isinstance(node, ast.Import):
        return [tuple(alias.name.split('.')) for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = inside[:len(inside) - node.level + 1] if node.level else ()
    base += tuple(node.module.split('.')) if node.module else ()
    return [(*base, alias.name) for alias in node.names]


def needed(graph: Dict[str, Set[str]]) -> Dict[str, Set[str]]:
    """Imports that no others imply."""

    def below(name: str) -> Set[str]:
        return graph[name].union(*(below(one) for one in graph[name]))

    return {name: {one for one in targets if not any(one in below(other) for other in targets - {one})}
            for name, targets in graph.items()}


def draw(rows: List[List[str]], arrows: Dict[str, Set[str]]) -> str:
    """The picture, as SVG."""
    width = MARGIN * 2 + max(len(row) * (BOX[0] + GAP) - GAP for row in rows)
    left_top = {}
    for i, row in enumerate(rows):
        start = (width - len(row) * (BOX[0] + GAP) + GAP) / 2
        for j, name in enumerate(row):
            left_top[name] = (start + j * (BOX[0] + GAP), MARGIN + i * ROW)
    height = MARGIN * 2 + (len(rows) - 1) * ROW + BOX[1]
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
             f'viewBox="0 0 {width:g} {height:g}" font-family="sans-serif" font-size="14">',
             '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
             '<path d="M0 0L8 4L0 8z" fill="#667"/></marker></defs>',
             '<rect width="100%" height="100%" fill="white"/>']
    for name, targets in sorted(arrows.items()):
        for target in sorted(targets - set(rows[-1])):
            (x0, y0), (x1, y1) = ((x + BOX[0] / 2, y) for x, y in (left_top[name], left_top[target]))
            lines.append(f'<path d="M{x0:g} {y0 + BOX[1]:g}C{x0:g} {y0 + ROW - 8:g} {x1:g} {y1 - ROW + BOX[1] + 8:g} {x1:g} '
                         f'{y1 - 1:g}" fill="none" stroke="#667" marker-end="url(#tip)"/>')
    for name, (x, y) in left_top.items():
        lines.append(f'<rect x="{x:g}" y="{y:g}" width="{BOX[0]}" height="{BOX[1]}" rx="5" fill="#eef3fb" stroke="#446"/>')
        lines.append(f'<text x="{x + BOX[0] / 2:g}" y="{y + BOX[1] / 2 + 5:g}" text-anchor="middle">{escape(name)}</text>')
    return '\n'.join([*lines, '</svg>', ''])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out', type=Path, help='the .svg file to write')
    options = parser.parse_args()
    options.out.write_text(draw(layers(), needed(imports())), encoding='utf-8')


if __name__ == '__main__':
    main()
