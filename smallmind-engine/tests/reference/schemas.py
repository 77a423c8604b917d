"""Writes ../data/schemas.jsonl: the schemas of the JSON Schema Test Suite.

    pip download --no-deps --no-binary jsonschema jsonschema==4.23.0
    tar xzf jsonschema-4.23.0.tar.gz
    python schemas.py jsonschema-4.23.0/json

The suite (Copyright (c) 2012 Julian Berman, MIT licence) comes with the source
package of jsonschema. Of drafts 6, 7, 2019-09 and 2020-12 each schema is taken
once.
"""

import json
import pathlib
import sys

suite = pathlib.Path(sys.argv[1]) / "tests"
seen, lines = set(), []
for draft in ["draft2020-12", "draft2019-09", "draft7", "draft6"]:
    for path in sorted((suite / draft).rglob("*.json")):
        for group in json.loads(path.read_text()):
            schema = group["schema"]
            key = schema
            if isinstance(schema, dict):
                key = {k: v for k, v in schema.items() if k != "$schema"}
            key = json.dumps(key, sort_keys=True)
            if key not in seen:
                seen.add(key)
                lines.append(json.dumps(schema))
out = pathlib.Path(__file__).parent.parent / "data/schemas.jsonl"
out.write_text("\n".join(lines) + "\n")
