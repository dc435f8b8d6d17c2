# SPDX-License-Identifier: Apache-2.0
"""Programs in process groups of their own, and how they end: with all that they have started."""
import os
import signal
import subprocess

ENDING_SECONDS = 60


def end_group(process, whole=False):
    """Asks first: pytest ends the daemons of its tests on SIGTERM. With `whole`, all of the group
    is asked: what has no clean-up of its own ends then."""
    try:
        if process.poll() is None:
            if whole:
                os.killpg(process.pid, signal.SIGTERM)
            else:
                process.terminate()
            process.wait(ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run_group(command, **options):
    """As subprocess.run(), but what ends the caller meanwhile lets the command clean up."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True,
                          **options) as process:
        try:
            output, errors = process.communicate()
        except BaseException:
            end_group(process, whole=True)
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, errors)
