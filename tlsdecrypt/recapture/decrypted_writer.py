"""The decrypted capture: what was read, with what was said on each opened connection in place of its encryption."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from tlsdecrypt.recapture.container import Pcap, Pcapng
from tlsdecrypt.recapture.masking import mask_streams
from tlsdecrypt.recapture.plaintext_spool import PlaintextSpool
from tlsdecrypt.recapture.press import press_of
from tlsdecrypt.recapture.rewriter import Rewriter, Script
from tlsdecrypt.report.frame_names import FrameNames
from tlsdecrypt.report.masking import manifest_text
from tlsdecrypt.report.program import PROGRAM
from tlsdecrypt.report.quantities import counted
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.recapture.container import Container
    from tlsdecrypt.report.writer import Manner

_MICROSECOND = 1_000  # nanoseconds


class DecryptedWriter:
    """Reads the captures once more when the analysis is there."""

    needs_content = False

    def __init__(self, manner: Manner, container: Container) -> None:
        self._manner = manner
        self._container = container
        self._pseudonyms = manner.anonymiser.pseudonyms if manner.anonymiser else None
        self.sink = PlaintextSpool(is_masked=not manner.redactor.show_secrets or self._pseudonyms is not None)
        self._changed: set[int] = set()  # that said a secret, or a name, in the clear

    def take(self, conversation: Conversation) -> None:
        """See Writer."""
        streams = self.sink.streams(conversation.id)
        if streams is None:
            return
        mask_streams(conversation, *streams, self._manner.redactor, self._pseudonyms)
        is_clear = self._pseudonyms is not None and conversation.tls is None
        if not conversation.is_decrypted and (is_clear or any(each.is_changed for each in streams)):
            self._changed.add(conversation.id)

    def finish(self, analysis: Analysis, stream: BinaryIO) -> None:
        """See Writer."""
        names = FrameNames(analysis.captures)
        conversations = [self._as_captured(each) for each in analysis.conversations]
        script = Script(conversations, self._chosen(analysis), self.sink, names.range, self._pseudonyms)
        keeps_original = self._manner.keeps_original and self._pseudonyms is None
        rewriter = Rewriter(script, self._container, keeps_original=keeps_original)
        stream.write(self._container.head(self._comment()))
        with press_of(stream, self.sink, self._container) as press:
            for batch in self._manner.frames_of(analysis):
                press.take(rewriter.feed(batch))
            press.take(rewriter.finish())
        stream.write(self._container.foot())
        if rewriter.left_out:
            frames = counted(rewriter.left_out, "frame")
            self._manner.notes.append(f"{frames} of another link type left out: a .pcapng has room for all")
        if self._pseudonyms is not None:
            self._manner.notes.append("an anonymised capture holds only connections whose content could be read")

    def _comment(self) -> str:
        """What was masked and replaced in it."""
        return "; ".join(filter(None, ("decrypted", manifest_text(self._manner.redactor))))

    def _chosen(self, analysis: Analysis) -> frozenset[int]:
        chosen = self._manner.choice.of(analysis)
        opened = frozenset(each.id for each in analysis.conversations if each.is_decrypted)
        closed = (chosen or frozenset()) & {each.id for each in analysis.conversations if each.tls} - opened
        notes = (f"connection {each} was not opened: it stays as it was captured" for each in sorted(closed))
        self._manner.notes.extend(notes)
        return (opened if chosen is None else opened & chosen) | self._changed

    def _as_captured(self, conversation: Conversation) -> Conversation:
        """With the addresses that its frames have."""
        if self._pseudonyms is None:
            return conversation
        original = self._pseudonyms.original
        client, server = conversation.client, conversation.server
        return replace(
            conversation,
            client=client._replace(address=original(client.address)),
            server=server._replace(address=original(server.address)),
        )


class PcapngWriter(DecryptedWriter):
    """As pcapng: every frame that was made anew says in a comment which frames it came from."""

    def __init__(self, manner: Manner) -> None:
        super().__init__(manner, Pcapng(PROGRAM))


class PcapWriter(DecryptedWriter):
    """As pcap, with times in nanoseconds where the captures have them, else in microseconds."""

    def __init__(self, manner: Manner) -> None:
        self._pcap = Pcap()
        super().__init__(manner, self._pcap)

    def finish(self, analysis: Analysis, stream: BinaryIO) -> None:
        """See Writer."""
        times = [time for each in analysis.captures for time in (each.start_ns, each.end_ns) if time is not None]
        if any(time % _MICROSECOND for time in times):
            self._pcap.need_nanoseconds()
        super().finish(analysis, stream)
