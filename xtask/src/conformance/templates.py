"""Renders chat templates as transformers does (`apply_chat_template`).

    templates.py FOLDER CASES OUTPUT

CASES is a JSON array of the variables of each case; OUTPUT becomes an object
with an array for each template: the text of each case, null where the template
refuses it, false where it fails for another reason. Needs jinja2.
"""

import json
import sys
from datetime import datetime, timezone
from pathlib import Path

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(Extension):
    """`{% generation %}` marks what the model wrote, and changes nothing."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.Scope(body, lineno=line)


class Refused(Exception):
    """What a template raises itself."""


def raise_exception(message):
    raise Refused(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def environment(time):
    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    env.filters["tojson"] = tojson
    # As llama.cpp: what is safe does not make the rest of an expression unsafe.
    env.filters["safe"] = lambda text: text
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda form: time.strftime(form)
    return env


def main():
    folder, cases, output = sys.argv[1:]
    cases = json.loads(Path(cases).read_text(encoding="utf-8"))
    rendered = {}
    for path in sorted(Path(folder).glob("*.jinja")):
        source = path.read_text(encoding="utf-8")
        rendered[path.stem] = []
        for case in cases:
            time = datetime.fromtimestamp(case["time"], timezone.utc)
            try:
                template = environment(time).from_string(source)
                text = template.render(**case["variables"])
            except Refused:
                text = None
            except Exception:
                text = False
            rendered[path.stem].append(text)
    Path(output).write_text(json.dumps(rendered), encoding="utf-8")


main()
