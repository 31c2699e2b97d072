# SPDX-License-Identifier: GPL-2.0-or-later
"""Have a Prometheus scrape a node through a flap: `python -m docs.dashboard` writes docs/dashboard.json, as root.

`python -m docs.pictures` then draws the panels of contrib/grafana/vzhooks.json from it, as a Grafana would place them.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.fleet.scraped import through_a_flap

DATA = Path(__file__).parent / "dashboard.json"


def main() -> None:
    """Write the data, a series a line."""
    data = through_a_flap()
    lines = [f'  "{panel}": [\n   ' + ",\n   ".join(map(json.dumps, answers)) + "\n  ]"
             for panel, answers in data["panels"].items()]
    text = f'{{\n "times": {json.dumps(data["times"])},\n "panels": {{\n' + ",\n".join(lines) + "\n }\n}\n"
    DATA.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
