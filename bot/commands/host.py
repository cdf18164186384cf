"""The GPU servers."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import assignments, known_host
from bot.verb import Asking, Topic, Verb
from bot.views.blocks import Button, actions, section
from bot.views.hosts import host_list, host_page
from bot.views.question import question
from bot.views.submitted import submitted
from bot.views.words import code
from bot.views.words import name as shown
from runner.environments import USUAL, profiles
from runner.executors import executors
from runner.service import environments, hosts, queue, views
from runner.specs import DeclaredEnvironment

EXAMPLE_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExample"


@click.group("host", help="The GPU servers: add, look at, prepare, forget.", invoke_without_command=True)
@click.pass_context
def host(context: click.Context) -> Answer | None:
    return None if context.invoked_subcommand else _listed(context.obj)


@host.command("list", help="Every server, with what runs on it.")
@click.pass_obj
def listed(asking: Asking) -> Answer:
    return _listed(asking)


@host.command("add", help="Add a server reached by ssh, or change how one is reached.")
@click.argument("name")
@click.argument("login", metavar="<user@address[:port]>")
@click.option("--key-file", metavar="PATH", show_default=hosts.USUAL_KEY, help="the private key on this machine to log in with")
@click.option("--host-key", metavar="KEY", required=True, help="the server's public key, pinned: `ssh-ed25519 AAAA…`")
@click.option("--root", metavar="FOLDER", show_default="~/.signalbox of that user", help="the folder there that holds all of ours")
@click.option("--slots", type=click.IntRange(1, 256), show_default="1", metavar="N", help="runs at a time where there is no GPU")
@click.option(
    "--address-for-peers", "peer_address", metavar="ADDRESS", show_default="the one above",
    help="where other hosts reach it, for runs on several",
)
@click.option("--interface-for-peers", "peer_interface", metavar="NAME", help="its network interface for these, such as `eth1`")
@click.option("--executor", type=click.Choice(sorted(executors())), help="`slurm`: a cluster, and this its login node")
@click.option("--partition", metavar="NAME", default="", help="the cluster's partition, where it is not the usual one")
@click.option("--sbatch", metavar="OPTIONS", default="", help="more for sbatch, such as `--account=vision`")
@click.pass_obj
def add(  # noqa: PLR0913 - each of them an option
    asking: Asking, name: str, login: str, *, key_file: str | None, host_key: str, root: str | None, slots: int | None,
    executor: str | None, partition: str, sbatch: str, peer_address: str | None, peer_interface: str | None,
) -> Answer:
    held = hosts.Held(executor or ("slurm" if partition or sbatch else "screen"), partition, sbatch)
    added = hosts.add(
        asking.house, asking.who, name=name.lower(), login=login, key_path=key_file, host_key=host_key, root=root, slots=slots,
        held=held if executor or partition or sbatch else None, peers=hosts.Peers(peer_address, peer_interface),
    )
    return _with_buttons(
        f"{code(added.name)} is added. The runner connects to it now; {code(f'host check {added.name}')} says how that went.",
        Button("Check it", f"host check {added.name}"), Button("Build its environment", f"host bootstrap {added.name}"),
    )


@host.command("check", help="What a server last said of itself, and what is wrong with it.")
@click.argument("host", callback=known_host)
@click.pass_obj
def check(asking: Asking, host: str) -> Answer:
    house = asking.house
    declared = environments.declared_on(house, host)
    text, blocks = host_page(hosts.host_view(house, host, queue.ends(house)), declared, now=house.now(), zone=house.settings.time_zone)
    return Answer(text, tuple(blocks))


@host.command("bootstrap", help="Build a training environment on a server; takes up to half an hour, once.")
@click.argument("host", callback=known_host)
@click.option("--environment", metavar="NAME", default=USUAL, help=f"which environment: {', '.join(profiles())}")
@click.pass_obj
def bootstrap(asking: Asking, host: str, environment: str) -> Answer:
    queued = environments.submit_bootstrap(asking.house, asking.who, host=host, environment=environment)
    return submitted(views.view(asking.house, queued.id))


@host.command("declare", help="Name a training environment that a server has already; it is looked at before it is used.")
@click.argument("host", callback=known_host)
@click.argument("name")
@click.option("--framework", metavar="NAME", required=True, help="the training system that is in it")
@click.option("--python", metavar="PATH", required=True, help="its interpreter there, an absolute path")
@click.option("--code", "folder", metavar="FOLDER", default="", help="the framework's checkout there, where it is not installed")
@click.option("--setup", metavar="LINE", multiple=True, help="a line of sh before every launch, such as `. /opt/cuda/env.sh`")
@click.option("--set", "variables", metavar="VAR=VALUE", multiple=True, callback=assignments, help="a variable for every launch")
@click.pass_obj
def declare(
    asking: Asking, host: str, name: str, *, framework: str, python: str, folder: str, setup: tuple[str, ...], variables: dict[str, str]
) -> Answer:
    declared = DeclaredEnvironment(framework=framework, python=python, code=folder, setup=setup, variables=variables)
    queued = environments.declare(asking.house, asking.who, host=host, name=name.lower(), declared=declared)
    return submitted(views.view(asking.house, queued.id))


@host.command("verify", help="Look again at an environment that somebody declared.")
@click.argument("host", callback=known_host)
@click.argument("name")
@click.pass_obj
def verify(asking: Asking, host: str, name: str) -> Answer:
    queued = environments.look_again(asking.house, asking.who, host=host, name=name.lower())
    return submitted(views.view(asking.house, queued.id))


@host.command("forget-environment", help="Forget an environment of a server. Nothing on it is touched.")
@click.argument("host", callback=known_host)
@click.argument("name")
@click.option("--yes", is_flag=True, help="forget it without asking first")
@click.pass_obj
def forget_environment(asking: Asking, host: str, name: str, *, yes: bool) -> Answer:
    wanted = name.lower()
    if yes:
        environments.forget(asking.house, asking.who, host=host, name=wanted)
        return Answer(f"The environment {code(wanted)} of {code(host)} is forgotten. What lies there was not touched.")
    declared = environments.must_be_forgettable(asking.house, asking.who, host=host, name=wanted)
    lost = "What was declared of it is lost" if declared else "Nothing can be trained in it until it is bootstrapped again"
    asked = f"Forget the environment {code(wanted)} of {code(host)}? {lost}; nothing on the server is touched."
    keep = Button("Keep it", f"host check {host}")
    text, blocks = question(asked, ["host", "forget-environment", host, wanted], act="Forget it", keep=keep)
    return Answer(text, tuple(blocks))


@host.command("drain", help="Let nothing new start on a server; what runs there goes on.")
@click.argument("host", callback=known_host)
@click.pass_obj
def drain(asking: Asking, host: str) -> Answer:
    queue.drain(asking.house, asking.who, host, drained=True)
    text = f"Nothing new starts on {code(host)}; what runs there goes on."
    return _with_buttons(text, Button("Let it take runs again", f"host resume {host}"))


@host.command("resume", help="Let a drained server take runs again.")
@click.argument("host", callback=known_host)
@click.pass_obj
def resume(asking: Asking, host: str) -> Answer:
    queue.drain(asking.house, asking.who, host, drained=False)
    return Answer(f"{code(host)} takes runs again.")


@host.command("remove", help="Forget a server. Nothing on it is touched.")
@click.argument("host", callback=known_host)
@click.option("--yes", is_flag=True, help="forget it without asking first")
@click.pass_obj
def remove(asking: Asking, host: str, *, yes: bool) -> Answer:
    if yes:
        hosts.remove(asking.house, asking.who, host)
        return Answer(f"{code(host)} is forgotten. What lies on it was not touched.")
    known = hosts.must_be_removable(asking.house, asking.who, host)
    asked = (
        f"Forget {code(host)} ({shown(known.user)}@{shown(known.address)})? Its pinned key and its known environments are lost; "
        "nothing on the server is touched."
    )
    text, blocks = question(asked, ["host", "remove", host], act="Forget it", keep=Button("Keep it", f"host check {host}"))
    return Answer(text, tuple(blocks))


def _listed(asking: Asking) -> Answer:
    house = asking.house
    there, at_work = hosts.all_hosts(house, queue.ends(house)), views.entries_on_hosts(house, queue.live_runs(house))
    text, blocks = host_list(there, at_work, now=house.now(), zone=house.settings.time_zone)
    return Answer(text, tuple(blocks))


def _with_buttons(text: str, *buttons: Button) -> Answer:
    return Answer(text, (section(text), actions(buttons)))


verb = Verb(
    host, Topic.SERVERS,
    examples=(
        "host", "host list", f'host add gpu9 train@gpu9.example.com:2222 --host-key "{EXAMPLE_KEY}"',
        f'host add cluster1 train@login.example.com --executor slurm --partition gpus --host-key "{EXAMPLE_KEY}"',
        "host check gpu1", "host bootstrap gpu1", "host bootstrap gpu1 --environment tfod",
        "host declare gpu1 m2det --framework m2det --python /opt/m2det/bin/python --code /opt/m2det/M2Det",
        "host drain gpu1", "host resume gpu1", "host remove gpu1",
    ),
)
