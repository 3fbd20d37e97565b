"""One process of `make fuzz`: one target, fed until its time is up or a promise is broken.

python -m bench.fuzz_one TARGET [libFuzzer options] CORPUS
"""

import sys

import atheris


def main() -> None:
    """Instrument the product, then run libFuzzer, which ends the process."""
    name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["auditship_agent", "auditship_indexer"]):
        from bench.fuzz_targets import TARGETS  # noqa: PLC0415 - instrumented as it is imported
    atheris.Setup([sys.argv[0], *options], TARGETS[name].make())
    atheris.Fuzz()


if __name__ == "__main__":
    main()
