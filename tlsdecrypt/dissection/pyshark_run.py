"""pyshark's FileCapture with an end that leaves no process, pipe or warning behind, and summaries that are whole.

pyshark is loaded with this module.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from typing import Any

from pyshark.capture.capture import TSharkCrashException
from pyshark.capture.file_capture import FileCapture
from pyshark.tshark.output_parser.base_parser import BaseTsharkOutputParser
from pyshark.tshark.output_parser.tshark_xml import TsharkXmlParser

CrashError = TSharkCrashException

PATIENCE_S = 5  # how long the process may take to end once it was killed
_TURN_S = 0.01


class _SummaryParser(TsharkXmlParser):  # type: ignore[misc]  # pyshark has no types
    """pyshark reads the list of columns before each packet, and loses what stands behind it (as of 0.6)."""

    async def get_packets_from_stream(self, stream: Any, existing_data: bytes, *, got_first_packet: bool = True) -> Any:
        """The next packet and the bytes that follow it."""
        if self._parse_summaries and self._psml_structure is None:
            existing_data = await self._get_psml_struct(stream)
        return await BaseTsharkOutputParser.get_packets_from_stream(
            self, stream, existing_data, got_first_packet=got_first_packet
        )


class _Reading(FileCapture):  # type: ignore[misc]  # pyshark has no types
    """A FileCapture that knows its processes until they have ended."""

    def __init__(self, path: str, **extra: Any) -> None:
        self._started: list[Any] = []
        super().__init__(path, **extra)

    def _created_new_process(self, parameters: Any, process: Any, process_name: str = "TShark") -> None:
        self._started.append(process)
        super()._created_new_process(parameters, process, process_name)

    def _setup_tshark_output_parser(self) -> Any:
        return _SummaryParser(parse_summaries=self._only_summaries)

    async def _cleanup_subprocess(self, process: Any) -> None:
        await self._end_process(process)
        if process.returncode is not None:
            await super()._cleanup_subprocess(process)  # which tells of a crash

    async def _end_process(self, process: Any) -> None:
        """One that said all ends by itself.

        `process.kill()` asks first whether the process lives; where it just ended, its status is lost to the loop then.
        """
        if self._eof_reached:
            await _has_ended(process)
        if process.returncode is None:
            if sys.platform == "win32":
                process.kill()
            else:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            await _has_ended(process)

    def end(self) -> None:
        """Nothing runs behind this, and every pipe is closed."""
        self.eventloop.run_until_complete(self._end())

    async def _end(self) -> None:
        for process in self._started:
            await self._end_process(process)
            process._transport.close()  # noqa: SLF001 - asyncio has no other way to close its pipes unread
        for task in self._stderr_handling_tasks:
            task.cancel()
        await asyncio.gather(*self._stderr_handling_tasks, return_exceptions=True)
        self._running_processes.clear()
        self._started.clear()
        await asyncio.sleep(0)  # transports tell of their end in the next turn of the loop


async def _has_ended(process: Any) -> None:
    """Until the loop knows it: closing its pipes before would take the news of its end away from the loop."""
    for _ in range(int(PATIENCE_S / _TURN_S)):
        if process.returncode is not None:
            return
        await asyncio.sleep(_TURN_S)


def open_capture(path: str, loop: asyncio.AbstractEventLoop, **extra: Any) -> _Reading:
    """A capture to be read with `apply_on_packets`; call `end()` after it, whatever happened."""
    return _Reading(path, eventloop=loop, **extra)
