"""Which commands there are. Each is imported when it is wanted, so that ``--help`` stays fast."""

from __future__ import annotations

from importlib import import_module

import click

#: Command → its one line of help. ``export`` is what runs when no command is named.
COMMANDS = {
    "export": "Export a model (what runs when no command is named).",
    "inspect": "Show a model's layers, shapes and origin, and what it can be exported to.",
    "record": "Write golden vectors: inputs, and what the model's own Keras computes on them.",
    "verify": "Run the artifacts of an export folder again and compare.",
    "serve": "Serve a web bundle on this machine, with the headers that threads need.",
    "smoke": "Ask a running TF Serving for what an export computes, compare, and measure its latency.",
    "targets": "List the targets, their options and their runtimes.",
    "layers": "List the Keras layers that can be exported.",
    "backend": "Set up and run environments of Theano, CNTK, MXNet, TensorFlow 1, Keras 1 and others.",
    "doctor": "Show what is installed, what is missing, and the command that installs it.",
}
DEFAULT = "export"
_GROUP_OPTIONS = ("-h", "--help", "--version")


class DefaultGroup(click.Group):
    """A group in which ``kexport --target tflite model.h5`` means ``kexport export --target tflite model.h5``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in front of arguments that name none."""
        if args and args[0] not in COMMANDS and args[0] not in _GROUP_OPTIONS:
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order they are told about."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"kexport.cli.{cmd_name}_command").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The group's own options, the commands, and those of ``export``."""
        super().format_options(ctx, formatter)
        export = self.get_command(ctx, DEFAULT)
        assert export is not None
        options = [param for param in export.get_params(ctx) if isinstance(param, click.Option)]
        records = [option.get_help_record(ctx) for option in options if "--help" not in option.opts]
        with formatter.section("Options of export"):
            formatter.write_dl([record for record in records if record is not None])
