"""Holds a program in a detached ``screen`` session, to which people may attach; with setsid where there is no screen.

``screen -dmS`` returns 0 even for a command that does not exist, and may fail to make its socket folder. So only the claim
counts, and where none appears the program is started once more with setsid: of all that start, one claims.
"""

from __future__ import annotations

import posixpath
import re
from importlib import resources
from pathlib import Path
from shlex import join, quote

from runner.crash_points import crash_at, in_shell
from runner.errors import BadSpecError, HostError, UnreachableError
from runner.executors.base import Fence, LaunchOrder
from runner.transports.archives import unpack
from runner.transports.base import Finished, Transport
from runner.transports.scripts import settings

STAGE_TIMEOUT_S = 120.0
LAUNCH_TIMEOUT_S = 20.0
STOP_MARGIN_S = 10.0
SESSION_NAME_LENGTH = 80
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_UNLESS_CLAIMED = 'if [ -L "$directory/claim" ]; then cat >/dev/null; exit 0; fi\n'

_NOT_LAID = 69
# Waits for the claim at most 2 s: screen needs about 20 ms to get there.
_LAUNCH = f"""
cd "$directory" 2>/dev/null && [ -f launch.sh ] || exit {_NOT_LAID}
""" """
[ -L claim ] && exit 0
export SIGNALBOX_DEVICES
crash_point session.before_start
if command -v screen >/dev/null 2>&1; then
    if [ ! -d /run/screen ] && [ ! -d /var/run/screen ]; then
        SCREENDIR=${SCREENDIR:-$HOME/.screen}
        export SCREENDIR
        mkdir -p "$SCREENDIR" && chmod 700 "$SCREENDIR"
    fi
    TERM=${TERM:-vt100} screen -dmS "$session" sh ./launch.sh </dev/null >/dev/null 2>&1
    tries=0
    while [ ! -L claim ] && [ "$tries" -lt 100 ]; do
        tries=$((tries + 1))
        sleep 0.02 2>/dev/null || sleep 1
    done
fi
if [ ! -L claim ]; then
    setsid sh ./launch.sh </dev/null >/dev/null 2>&1 &
fi
crash_point session.after_start
"""


class ScreenExecutor:
    """The executor that needs nothing but a shell on the host."""

    name = "screen"
    watch_program = Path(str(resources.files("runner.host") / "watch_host"))

    def stage(self, transport: Transport, order: LaunchOrder, *, root: str) -> int:
        """Lay the attempt's directory, its data first; nothing changes once it is claimed."""
        symbolic = 0
        if manifest := order.dataset_manifest:
            symbolic = transport.link_tree(f"{root}/objects", f"{order.directory}/data", manifest, timeout_s=STAGE_TIMEOUT_S)
        script, stdin = unpack(order.directory, _files(order))
        finished = transport.shell(settings(directory=order.directory) + _UNLESS_CLAIMED + script, stdin=stdin, timeout_s=STAGE_TIMEOUT_S)
        _require(finished, f"The directory {order.directory} cannot be laid")
        return symbolic

    def launch(self, transport: Transport, order: LaunchOrder) -> bool:
        """Start the session; again is harmless. Which devices it gets goes with it, not into the directory."""
        session = order.session[:SESSION_NAME_LENGTH]
        values = settings(directory=order.directory, session=session, SIGNALBOX_DEVICES=",".join(order.devices or ()))
        finished = transport.shell(values + in_shell() + _LAUNCH, timeout_s=LAUNCH_TIMEOUT_S)
        if finished.exit_code == _NOT_LAID:
            return False
        _require(finished, f"The session {session} cannot be started")
        return True

    def stop(self, transport: Transport, *, directory: str, nonce: str, marker: str, grace_s: float) -> Fence:
        """Fence the attempt or end it with all its processes; the answer comes within ``grace_s`` + 10 s."""
        grace = max(0, round(grace_s))
        values = settings(
            directory=directory, nonce=nonce, marker=marker, grace_s=str(grace), limit_s=str(grace + round(STOP_MARGIN_S / 2))
        )
        finished = transport.shell(values + in_shell() + host_file("stop.sh"), timeout_s=grace + STOP_MARGIN_S)
        _require(finished, f"The attempt in {directory} cannot be stopped")
        return fence_of(finished)


executor = ScreenExecutor()


def _files(order: LaunchOrder) -> dict[str, bytes]:
    """What lies in the directory besides the data. launch.sh comes last: where it lies, all the rest does."""
    files = dict(order.plan.files)
    files["spec.json"] = order.spec_json
    files["command.sh"] = command_of(order).encode("utf-8", "surrogateescape")
    files["launch.env"] = settings(nonce=order.nonce, marker=order.marker, crash_at=crash_at()).encode()
    files["launch.sh"] = host_file("launch.sh").encode()
    return files


def command_of(order: LaunchOrder) -> str:
    """A script that becomes the program with its whole environment, once its GPUs are free. The devices come last: no set-up line may
    take them back."""
    plan = order.plan
    if not plan.argv or not posixpath.isabs(plan.argv[0]):
        raise BadSpecError(f"The program {' '.join(plan.argv[:1]) or '(none)'} has to be named by its absolute path.")
    variables = {
        "LC_ALL": "C.UTF-8",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": str(order.threads),
        **plan.variables,
    }
    devices = ["export CUDA_DEVICE_ORDER=PCI_BUS_ID"]
    if order.devices is not None:
        devices += [
            'export CUDA_VISIBLE_DEVICES="$SIGNALBOX_DEVICES"',
            'if [ -n "$SIGNALBOX_DEVICES" ]; then (devices=$SIGNALBOX_DEVICES', host_file("free_devices.sh"), "); fi",
        ]
    return "\n".join((*_exports(variables), *plan.setup, *devices, f"exec {join(plan.argv)}", ""))


def _exports(variables: dict[str, str]) -> list[str]:
    for name in variables:
        if not _VARIABLE_NAME.fullmatch(name):
            raise BadSpecError(f"{name!r} cannot be the name of an environment variable: letters, digits and _ only.")
    return [f"export {name}={quote(value)}" for name, value in variables.items()]


def host_file(name: str) -> str:
    return (resources.files("runner.host") / name).read_text(encoding="utf-8")


def _require(finished: Finished, sentence: str) -> None:
    if finished.exit_code:
        raise HostError(f"{sentence}: {finished.stderr.decode('utf-8', 'replace').strip()[-500:] or 'the host does not say why'}")


def fence_of(finished: Finished) -> Fence:
    said = dict(line.split("=", 1) for line in finished.stdout.decode("utf-8", "replace").splitlines() if "=" in line)
    try:
        return Fence(claim=said["claim"], processes_left=int(said["left"]), exited=said["exited"] == "yes")
    except (KeyError, ValueError) as error:
        raise UnreachableError(f"The host did not say whether the attempt ended: {finished.stdout[-200:]!r}.") from error
