# SPDX-License-Identifier: Apache-2.0
"""Root's shell in the debug variant of the full image, by a bare machine's serial port."""
import re
import time

PROMPT = "CVM-TEST> "
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[a-zA-Z]|\][^\x07\x1b]*(\x07|\x1b\\))")


class Login:
    def __init__(self, machine, seconds=180):
        self.console = machine.serial
        place = self.console.wait("login: ", seconds)
        self.console.send("root\n")
        place = self.console.wait("# ", 60, place)
        # Typed in two parts, so that the echo is not the prompt.
        self.console.send("stty -echo; bind 'set enable-bracketed-paste off'; "
                          "PS1='CVM-''TEST> '\n")
        self.place = self.console.wait(PROMPT, 60, place)
        self.seconds = 0.0  # that the last command took

    def run(self, command, seconds=60, status=0):
        """Its output."""
        start = time.monotonic()
        self.console.send(f"{command}; echo \"<$?>\"\n")
        end = self.console.wait(PROMPT, seconds, self.place)
        self.seconds = time.monotonic() - start
        text = ESCAPES.sub("", self.console.text[self.place:end - len(PROMPT)]).replace("\r", "")
        self.place = end
        output, _, rest = text.rpartition("<")
        assert rest == f"{status}>\n", f"{command}: {text}"
        return output
