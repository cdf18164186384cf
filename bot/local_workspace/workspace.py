"""The workspace itself: who and what is in it, and the verbs by which messages and files come, change and go.

Everything happens in the server's event loop, one thing at a time, so nothing here takes a lock. Rules about who may
do what are the callers' business (methods/ for the app, people_api.py for people).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.local_workspace.changes import ChangeFeed
from bot.local_workspace.configuration import WorkspaceConfiguration
from bot.local_workspace.entities import BOT_USER_ID, SLACKBOT_ID, Channel, Message, Person, StoredFile
from bot.local_workspace.events import Events
from bot.local_workspace.identifiers import Timestamps, fresh_id
from bot.local_workspace.payloads import bot_profile_json, file_json, message_json, thread_facts
from bot.local_workspace.store import Store
from bot.local_workspace.tickets import ResponseUrls, TriggerIds
from bot.local_workspace.wire import Json, RefusalError


class Workspace:
    """The state of one workspace and its verbs. `now` is the clock (seconds since 1970, UTC)."""

    def __init__(self, configuration: WorkspaceConfiguration, store: Store, *, events: Events, now: Callable[[], float]) -> None:
        self.configuration = configuration
        self.store = store
        self.events = events
        self.now = now
        self.base_url = ""
        self.changes = ChangeFeed()
        self.timestamps = Timestamps(now, last=store.last_ts())
        self.triggers = TriggerIds(now, configuration.limits)
        self.response_urls = ResponseUrls(now, configuration.limits)
        self._seed()
        self._people = {person.id: person for person in store.people()}
        self._channels = {channel.id: channel for channel in store.channels()}

    def _seed(self) -> None:
        with self.store.atomic():
            app = self.configuration.app
            self.store.put_person(Person(BOT_USER_ID, app.bot_name, app.name, is_bot=True))
            self.store.put_person(Person(SLACKBOT_ID, "slackbot", "Slackbot", is_bot=True))
            if self.store.channels():
                return
            people = [Person(fresh_id("U"), seed.name, seed.real_name) for seed in self.configuration.people]
            for person in people:
                self.store.put_person(person)
            everybody = frozenset(person.id for person in people)
            for seed in self.configuration.channels:
                members = everybody | {BOT_USER_ID} if seed.app_is_member else everybody
                self.store.put_channel(Channel(fresh_id("C"), seed.name, int(self.now()), members, seed.topic))

    # Who and where

    def people(self) -> list[Person]:
        """Everybody, bots included."""
        return list(self._people.values())

    def person(self, person_id: str) -> Person:
        """The person with that id. Raises user_not_found."""
        if person_id not in self._people:
            raise RefusalError("user_not_found")
        return self._people[person_id]

    def channels(self) -> list[Channel]:
        """All channels and direct messages."""
        return list(self._channels.values())

    def channel(self, channel_id: str) -> Channel:
        """The channel with that id. Raises channel_not_found."""
        if channel_id not in self._channels:
            raise RefusalError("channel_not_found")
        return self._channels[channel_id]

    def direct_messages(self, person_id: str) -> Channel:
        """The direct messages between a person and the app, opened on first use. Raises user_not_found."""
        person = self.person(person_id)
        for channel in self._channels.values():
            if channel.is_im and person.id in channel.members:
                return channel
        members = frozenset({person.id, BOT_USER_ID})
        channel = Channel(fresh_id("D"), "", int(self.now()), members, is_im=True)
        self._keep_channel(channel)
        return channel

    def join(self, channel: Channel, person_id: str, *, inviter: str | None = None) -> Channel:
        """Makes somebody (or the app) a member; nothing happens when they are one."""
        if person_id in channel.members:
            return channel
        joined = replace(channel, members=channel.members | {person_id})
        self._keep_channel(joined)
        self.events.member_joined(joined, person_id, inviter=inviter, at=self.timestamps.next())
        return joined

    def _keep_channel(self, channel: Channel) -> None:
        self.store.put_channel(channel)
        self._channels[channel.id] = channel
        self.changes.add("channel", {"channel": channel.id})

    # Messages

    def message(self, channel: Channel, ts: str) -> Message:
        """A message that everybody in the channel sees. Raises message_not_found."""
        message = self.store.message(channel.id, ts)
        if message is None or message.visible_to is not None:
            raise RefusalError("message_not_found")
        return message

    def require_parent(self, channel: Channel, thread_ts: str | None) -> None:
        """Raises thread_not_found unless `thread_ts` is None or a message of this channel that is no reply itself."""
        if thread_ts is None:
            return
        parent = self.store.message(channel.id, thread_ts)
        if parent is None or parent.visible_to is not None or parent.is_reply:
            raise RefusalError("thread_not_found")

    def post(self, message: Message) -> Message:
        """Adds a message (its `ts` is given here) and tells everybody: the page, and the app by events."""
        posted = replace(message, ts=self.timestamps.next())
        self.store.put_message(posted)
        for file_id in posted.file_ids:
            file = self.file(file_id)
            self.store.put_file(replace(file, shares=(*file.shares, (posted.channel, posted.ts))))
        self._tell("message", posted)
        if posted.visible_to is None:
            self.events.message(self.channel(posted.channel), posted, self.show(posted))
        return posted

    def change(self, message: Message) -> None:
        """Replaces a message by its new form."""
        previous = self.store.message(message.channel, message.ts)
        self.store.put_message(message)
        self._tell("message", message)
        if previous is not None and message.visible_to is None:
            at = self.timestamps.next()
            self.events.message_changed(self.channel(message.channel), self.show(message), self.show(previous), at=at)

    def remove(self, message: Message) -> None:
        """Deletes a message; a parent with replies leaves a tombstone, as in Slack."""
        if len(self.store.thread(message.channel, message.ts)) > 1 and not message.is_reply:
            self.change(replace(message, text="This message was deleted.", blocks=(), file_ids=(), subtype="tombstone"))
            return
        shown = self.show(message)
        self.store.remove_message(message.channel, message.ts)
        body = {"channel": message.channel, "ts": message.ts, "thread_ts": message.thread_ts}
        self.changes.add("deleted", body, only_for=message.visible_to)
        if message.visible_to is None:
            self.events.message_deleted(self.channel(message.channel), shown, at=self.timestamps.next())

    def whisper(self, person_id: str, channel: Channel, text: str) -> Message:
        """A note by Slackbot that only this person sees, such as a command that failed."""
        note = Message(channel.id, "", SLACKBOT_ID, text, visible_to=person_id)
        return self.post(note)

    def _tell(self, kind: str, message: Message) -> None:
        self.changes.add(kind, {"message": self.show_to_people(message)}, only_for=message.visible_to)
        if message.is_reply and message.thread_ts is not None:
            parent = self.store.message(message.channel, message.thread_ts)
            if parent is not None:
                self.changes.add(kind, {"message": self.show_to_people(parent)})

    def show(self, message: Message, *, with_metadata: bool = False) -> Json:
        """A message as the app sees it."""
        files = [self.show_file(file) for file_id in message.file_ids if (file := self.store.file(file_id))]
        profile = bot_profile_json(self.configuration)
        body = message_json(message, files=files, bot_profile=profile, with_metadata=with_metadata)
        if message.is_reply and message.thread_ts is not None:
            parent = self.store.message(message.channel, message.thread_ts)
            return body | ({"parent_user_id": parent.user} if parent else {})
        thread = [m for m in self.store.thread(message.channel, message.ts) if m.visible_to is None]
        facts = thread_facts(thread)
        return body | facts | ({"thread_ts": message.ts} if facts else {})

    def show_to_people(self, message: Message) -> Json:
        """A message as the page and `WorkspacePerson` see it: with its channel and metadata."""
        return self.show(message, with_metadata=True) | {"channel": message.channel}

    # Files

    def file(self, file_id: str) -> StoredFile:
        """A file whose upload is complete. Raises file_not_found."""
        file = self.store.file(file_id)
        if file is None or not file.is_complete:
            raise RefusalError("file_not_found")
        return file

    def is_processed(self, file: StoredFile) -> bool:
        """Whether blocks may show the file already."""
        processing_s = self.configuration.limits.file_processing_s
        return file.uploaded_s is not None and self.now() >= file.uploaded_s + processing_s

    def file_is_ready(self, reference: str) -> bool:
        """Whether an image block may show the file with this id or url_private."""
        for file in self.store.files():
            if reference == file.id or reference == self.show_file(file)["url_private"]:
                return file.is_complete and self.is_processed(file)
        return False

    def show_file(self, file: StoredFile) -> Json:
        """A file as the app sees it."""
        return file_json(file, base_url=self.base_url, is_processed=self.is_processed(file))

    def share(self, files: list[StoredFile], message: Message) -> Message:
        """Posts a message that shows files, and tells the app about each of them."""
        for file in files:
            self.store.put_file(replace(file, is_complete=True))
        posted = self.post(replace(message, file_ids=tuple(file.id for file in files), subtype="file_share"))
        for file in files:
            self.events.file_shared(self.channel(posted.channel), file, at=self.timestamps.next())
        return posted
