"""When the runner falls silent the bot says so in the channel, once, and once that it is back. (The runner's alerts tell of the bot.)"""

from __future__ import annotations

from bot.settings import SlackSettings
from bot.views.words import clock, code
from runner.service import outbox
from runner.service.health import note_outage, outage
from runner.service.house import House
from runner.service.outbox import NewDelivery


def tell_of_runner(house: House, settings: SlackSettings) -> None:
    """Owe what is to be told of the runner: in the home channel, else in the first that is listed."""
    channel = settings.home_channel or next(iter(house.settings.access.channels), None)
    told = outage(house)
    if told is None or channel is None:
        return
    since = clock(told.since, house.settings.time_zone, near=house.now())
    if told.over:
        what, text = "back", f"The runner is back. It had not answered since {since}; nothing that was asked in between is lost."
    else:
        what, text = "silent", (
            f"The runner has not answered since {since}. What trains goes on, commands are kept, and nothing new starts. "
            f"On the machine: {code('systemctl restart signalbox')}; {code('signalbox doctor')} says more."
        )
    with house.store.writing():
        outbox.add(house, NewDelivery(f"runner-{what}:{told.since.isoformat()}", channel, "text", {"text": text}))
        note_outage(house, told)
