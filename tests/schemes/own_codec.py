"""A source codec and its scheme as README shows them."""

from __future__ import annotations

import re
from pathlib import Path

TEXT = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
SOURCE = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
(CODE,) = (code for code in SOURCE if "class MyScheme" in code)
exec(compile(CODE, "README.md", "exec"))
