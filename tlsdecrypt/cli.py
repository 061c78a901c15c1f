"""The command line: its options and exit statuses are a contract.

What a small run does not need is imported where it is needed, so that `--help` and a small capture feel instant.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import click

from tlsdecrypt.arguments import PASSWORD_VARIABLE, Arguments, is_live, named_captures, passwords_of
from tlsdecrypt.cli_options import with_options
from tlsdecrypt.errors import CaptureError, InputError, PasswordError
from tlsdecrypt.remarks import after, before
from tlsdecrypt.report.standard_output import (
    forget_standard_output,
    open_standard_error,
    standard_output,
    unwritable,
)
from tlsdecrypt.report.visible import visible
from tlsdecrypt.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tlsdecrypt.capture.inputs import Named
    from tlsdecrypt.conversation import Analysis, Conversation
    from tlsdecrypt.dissection.dissector import Dissecting
    from tlsdecrypt.pipeline import Pipeline
    from tlsdecrypt.report.object_folder import ObjectFolder
    from tlsdecrypt.report.outputs import OutputFile
    from tlsdecrypt.report.progress import Progress
    from tlsdecrypt.report.tellers import Teller, Telling
    from tlsdecrypt.report.writer import Manner
    from tlsdecrypt.tls.secrets import SecretStore

SUCCESS, FAULT, WRONG_INPUT, NOTHING_OPENED, FOUND = 0, 1, 2, 3, 5
INTERRUPTED, PIPE_CLOSED = 130, 141  # as shells report a program that SIGINT or SIGPIPE ended

# The analysis makes hardly a reference cycle and keeps millions of values: looking for cycles as often as Python does
# by default took a quarter of the time of a capture with many short connections.
_COLLECTED = (2_000_000, 10, 10)
# numpy would start threads for linear algebra, which takes longer than to read a small capture; none is done here.
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "1")
_DEBUG_VARIABLE = "TLSDECRYPT_DEBUG"

_EPILOG = """\b
Examples:
  tlsdecrypt capture.pcapng --pfx mail.pfx
  tlsdecrypt capture.pcapng --pfx mail.pfx --format json | jq .summary
  tlsdecrypt capture.pcapng --explain
  tlsdecrypt day1.pcap day2.pcap --keylog keys.log -o report.txt -o report.json
  tlsdecrypt --interface eth0 --pfx mail.pfx --write raw.pcapng
  ssh server tcpdump -U -w - port 443 | tlsdecrypt - --keys /etc/keys

\b
Passwords of key files are never taken from the command line. Tried are each
line of --password-file, else $TLSDECRYPT_PASSWORD, then no password at all;
if none of them fits and a terminal is there, the password is asked for.

\b
Exit status:
  0    it ran; something was decrypted, or there was nothing to decrypt
  1    a fault of the program (TLSDECRYPT_DEBUG=1 shows where)
  2    wrong usage, or an input that cannot be read
  3    the capture holds TLS and none of it was decrypted; --strict: not all
  5    there is a finding as grave as --fail-on says
  130  interrupted (Ctrl-C)
  141  the reader of standard output went away
A handshake that failed has nothing to decrypt, and does not count for 3.
"""


def say(sentence: str) -> None:
    """One sentence on standard error, without its full stop; control characters in it are made visible.

    Where nobody can read it (closed, or a full disk) the work goes on all the same.
    """
    with suppress(OSError):
        click.echo(f"tlsdecrypt: {visible(sentence.removesuffix('.'))}", err=True)


class _Command(click.Command):
    """Ends with an exit status of the contract and at most one sentence, whatever happens."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, and leave the program."""
        extra["standalone_mode"] = False
        open_standard_error()
        sys.exit(guarded(lambda: self._status(*args, **extra)))

    def _status(self, *args: Any, **extra: Any) -> int:
        try:
            return int(super().main(*args, **extra) or SUCCESS)
        except click.ClickException as fault:
            say(f"{fault.format_message().rstrip('.')}; see tlsdecrypt --help.")
            return WRONG_INPUT
        except SystemExit:  # so click ends --help and --version whose reader went away
            raise BrokenPipeError from None
        except OSError as fault:  # of --help and --version
            if fault.filename is None and not isinstance(fault, BrokenPipeError):
                raise unwritable(fault) from fault
            raise


def guarded(run: Callable[[], int]) -> int:
    """The status that `run` gives, or that of what went wrong in it."""
    try:
        return run()
    except InputError as fault:
        hint = f": give the password with --password-file, or in ${PASSWORD_VARIABLE}"
        say(f"{fault}{hint if isinstance(fault, PasswordError) else ''}")
        return WRONG_INPUT
    except (KeyboardInterrupt, click.Abort):
        say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        forget_standard_output()
        return PIPE_CLOSED
    except Exception as fault:  # noqa: BLE001 - whatever it is, a person gets one sentence
        return _own_fault(fault)


def _own_fault(fault: Exception) -> int:
    if isinstance(fault, OSError) and isinstance(fault.filename, str):  # a name that no file can have, and its kin
        say(f"{fault.filename} cannot be used: {fault.strerror}")
        return WRONG_INPUT
    if os.environ.get(_DEBUG_VARIABLE):
        import traceback  # noqa: PLC0415 - only for those who asked

        click.echo(traceback.format_exc(), err=True)
    kind = type(fault).__name__
    say(f"this is a fault of tlsdecrypt, please report it: {kind} ({_DEBUG_VARIABLE}=1 shows where it happened)")
    return FAULT


def exit_status(analysis: Analysis, arguments: Arguments) -> int:
    """What was found and what was decrypted, as a status. A failed handshake leaves nothing that could be decrypted."""
    if arguments.fail_on is not None and has_finding(analysis, arguments.fail_on):
        return FOUND
    codes = [each.tls.verdict.code.value for each in analysis.conversations if each.tls]
    sessions = [code for code in codes if code != "handshake-failed"]
    opened = sum(each.is_decrypted for each in analysis.conversations)
    is_enough = sessions.count("decrypted") == len(sessions) if arguments.strict else opened > 0 or not sessions
    return SUCCESS if is_enough else NOTHING_OPENED


def has_finding(analysis: Analysis, severity: str) -> bool:
    """Whether a finding is as grave as `severity` (error, warning), or graver; what follows from another counts not."""
    enough = ("error",) if severity == "error" else ("error", "warning")
    return any(each.severity.label in enough and each.caused_by is None for each in analysis.findings)


def run(arguments: Arguments) -> int:
    """Read, analyse, write; the exit status."""
    from tlsdecrypt.report.outputs import Outputs, output_files  # noqa: PLC0415 - start-up time of `--help`
    from tlsdecrypt.report.tellers import Telling  # noqa: PLC0415 - the same

    gc.set_threshold(*_COLLECTED)
    os.environ.setdefault(*_ONE_THREAD)
    if arguments.is_question:
        return _answer(arguments)
    files = output_files(arguments.output, arguments.inputs, may_overwrite=arguments.force)
    tshark = _tshark(arguments) if arguments.dissect else None
    captures, keys = named_captures(arguments), _load_keys(arguments)
    manner = _manner(arguments, keys)
    if any(each.reads_again for each in files):
        captures, manner = _read_twice(captures, manner)
    if arguments.anonymise:
        manner = _anonymised(manner, files)
    for remark in before(arguments, files):
        say(remark)
    folder = _object_folder(arguments.objects, manner) if arguments.objects else None
    outputs = Outputs(files, manner, folder)
    told = Telling(_teller(arguments, manner), outputs, manner.anonymiser)
    telling = told if tshark is None else _dissecting(told, tshark, manner)
    if arguments.interface and not arguments.quiet:
        say(f"capturing on {', '.join(arguments.interface)}; Ctrl-C ends it")
    with closing(_progress(arguments, telling)) as progress:
        outputs.on_file = progress.writing
        analysis, was_interrupted = _observe(arguments, captures, keys, telling, progress)
        try:
            telling.finish(analysis)
        finally:  # whatever becomes of standard output
            for failure in outputs.failures:
                say(failure)
    for remark in (*(() if arguments.quiet else manner.notes), *after(analysis, arguments)):
        say(remark)
    if was_interrupted:
        say(f"interrupted: only what had been read by then is told, {len(analysis.conversations):,} connections")
        return INTERRUPTED
    return WRONG_INPUT if analysis.errors or outputs.failures else exit_status(analysis, arguments)


def _tshark(arguments: Arguments) -> str:
    from tlsdecrypt.dissection.wireshark import find_tshark  # noqa: PLC0415 - few runs need it

    if arguments.anonymise:
        raise InputError("--dissect tells texts in which names cannot be told from other words: not with --anonymise")
    return find_tshark()


def _dissecting(telling: Telling, tshark: str, manner: Manner) -> Dissecting:
    from tlsdecrypt.dissection.dissector import Dissecting  # noqa: PLC0415 - few runs need it

    return Dissecting(telling, tshark, manner.redactor, manner.notes)


def _manner(arguments: Arguments, keys: SecretStore) -> Manner:
    from tlsdecrypt.redact import Redactor  # noqa: PLC0415 - start-up time of `--help`
    from tlsdecrypt.report.choice import Choice  # noqa: PLC0415 - the same
    from tlsdecrypt.report.writer import Manner  # noqa: PLC0415 - the same

    return Manner(
        Redactor(show_secrets=arguments.show_secrets),
        arguments.verbose,
        arguments.explain,
        {(each.source, each.spki_sha256): each.subject for each in keys.sources if each.subject},
        Choice(arguments.connection, arguments.finding, is_of_hosts=bool(arguments.host or arguments.port)),
        keeps_original=arguments.with_original,
    )


def _read_twice(captures: Sequence[Named], manner: Manner) -> tuple[Sequence[Named], Manner]:
    """What is to be read the first time, and a manner that knows how to read it again."""
    from tlsdecrypt.second_reading import SecondReading  # noqa: PLC0415 - few runs need it

    reading = SecondReading(captures)
    return reading.inputs, replace(manner, reopen=reading)


def _anonymised(manner: Manner, files: Sequence[OutputFile]) -> Manner:
    """Raises InputError where a file would hold the original frames, or what opens them."""
    if manner.keeps_original:
        raise InputError("--with-original keeps frames that name everybody: not with --anonymise")
    from tlsdecrypt.redact.anonymiser import Anonymiser  # noqa: PLC0415 - few runs need it
    from tlsdecrypt.redact.pseudonyms import Pseudonyms  # noqa: PLC0415 - the same

    for file in files:
        if file.is_secret:
            raise InputError(f"{file.path} is for the original capture, which names everybody: not with --anonymise")
    pseudonyms = Pseudonyms()
    manner.redactor.rename(pseudonyms)
    return replace(manner, anonymiser=Anonymiser(pseudonyms), subjects={})


def _object_folder(name: str, manner: Manner) -> ObjectFolder:
    from tlsdecrypt.report.object_folder import ObjectFolder  # noqa: PLC0415 - start-up time of other runs

    return ObjectFolder(name, manner)


def _teller(arguments: Arguments, manner: Manner) -> Teller:
    """Who tells standard output."""
    from tlsdecrypt.report.tellers import LinesTeller, WholeTeller  # noqa: PLC0415 - start-up of `--help`

    if arguments.follow is not None:
        if arguments.form != "text" or arguments.explain:
            raise InputError("--follow takes the place of the text: not together with --format or --explain")
        from tlsdecrypt.recapture.follow import FollowTeller  # noqa: PLC0415 - few runs need it

        return FollowTeller(manner, arguments.follow, arguments.side)
    if arguments.side is not None:
        raise InputError("--side is of a connection that is followed: give --follow too")
    if arguments.form == "jsonl":
        return LinesTeller(manner)
    if arguments.form == "text" and is_live(arguments) and not arguments.explain:
        from tlsdecrypt.report.live_teller import LiveTeller  # noqa: PLC0415 - few runs need it

        return LiveTeller(manner)
    return WholeTeller(manner, arguments.form)


def _answer(arguments: Arguments) -> int:
    """What is asked of the program itself."""
    from tlsdecrypt.questions import answers  # noqa: PLC0415 - start-up time of `--help`

    with standard_output():
        for each in answers(arguments):
            click.echo(visible(each))
    return SUCCESS


def _load_keys(arguments: Arguments) -> SecretStore:
    from tlsdecrypt.keyring import load_keys  # noqa: PLC0415 - start-up time of `--help`

    return load_keys(
        pfx=arguments.pfx,
        keys=arguments.key,
        keylogs=arguments.keylog,
        psks=arguments.psk,
        ticket_keys=arguments.ticket_key,
        folders=arguments.keys,
        password=_ask_password if _is_attended() else None,
        passwords=passwords_of(arguments),
    )


def _is_attended() -> bool:
    """Whether a person sees the prompt and can answer it: a capture may come through standard input."""
    return sys.stderr.isatty() and sys.stdin is not None and sys.stdin.isatty()


def _ask_password(name: str) -> str:
    """What a person types, unseen; nothing typed is the empty password."""
    answer: str = click.prompt(
        f"Password for {visible(name)}", hide_input=True, err=True, default="", show_default=False
    )
    return answer


def _progress(arguments: Arguments, telling: Telling | Dissecting) -> Progress:
    from tlsdecrypt.report.progress import Progress  # noqa: PLC0415 - start-up time of `--help`

    return Progress(is_shown=sys.stderr.isatty() and not arguments.quiet and telling.news is None)


def _observe(
    arguments: Arguments,
    captures: Sequence[Named],
    keys: SecretStore,
    telling: Telling | Dissecting,
    progress: Progress,
) -> tuple[Analysis, bool]:
    """The analysis of what is kept of each conversation as it ends, and whether Ctrl-C ended it early."""
    from tlsdecrypt.pipeline import Options, Pipeline  # noqa: PLC0415 - start-up time of `--help`

    conversations: list[Conversation] = []
    with closing(progress):
        options = Options(hosts=arguments.hosts, ports=arguments.port, outlets=telling.outlets(), jobs=arguments.jobs)
        pipeline = Pipeline(captures, keys, options, progress=progress, news=telling.news)
        signal.signal(signal.SIGINT, lambda _number, _frame: _end_early(pipeline, captures))
        try:
            conversations.extend(map(telling.take, progress.counting(pipeline.conversations())))
        except CaptureError:
            for error in pipeline.errors[:-1]:
                say(str(error))
            raise pipeline.errors[-1] from None
        except KeyboardInterrupt:  # pressed twice: what had ended by then has to do
            return pipeline.analysis(conversations), True
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return pipeline.analysis(conversations), pipeline.is_interrupted


def _end_early(pipeline: Pipeline, captures: Sequence[Named]) -> None:
    """Ctrl-C: what is captured ends in good order, and what is read of anything else ends here."""
    from tlsdecrypt.capture.live import LiveInput  # noqa: PLC0415 - start-up time of `--help`

    live = [each for each in captures if isinstance(each, LiveInput)]
    if not live or not live[0].stop():
        pipeline.interrupt()


@click.command(
    "tlsdecrypt",
    cls=_Command,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.argument("captures", nargs=-1, metavar="CAPTURE...")
@with_options
def main(**given: Any) -> int:
    """Open an encrypted capture, get the answer.

    Reads packet captures (files, folders, zip archives, patterns, or - for standard input; together they are one
    capture, in time order) or captures itself (--interface), opens the TLS sessions that the given secrets can open,
    and tells what was said: each connection, each request and its answer, and for each session that stays closed, why,
    and what would open it.
    """
    return guarded(lambda: run(Arguments(**given)))
