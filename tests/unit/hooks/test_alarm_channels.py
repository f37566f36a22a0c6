"""Channels over real sockets: what arrives, what is refused, and that no secret is told."""

import datetime as dt
import socketserver

import pytest

from dbb.errors import AlarmNotSent, SettingMissing
from dbb.hooks.alarm_channels import Mail, Webhook, open_channels
from dbb.model.alarm import Alarm
from dbb.settings import Settings
from support.receiver import serving, webhook

ALARM = Alarm(
    "late frdf", "exposures-late", "3 exposures are late.", "frdf", "Look.",
    dt.datetime(2026, 11, 21, 3, tzinfo=dt.UTC), "https://airflow/dbb/night/20261121",
)  # fmt: skip


def mail_server(got, answer_to_mail="250 yes"):
    """Speak as much SMTP as a client needs."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.say("220 here")
            while line := self.rfile.readline().decode().strip():
                word = line.split(" ", maxsplit=1)[0].upper()
                if word == "EHLO":
                    self.say("250 here")
                elif word == "MAIL":
                    self.say(answer_to_mail)
                elif word == "DATA":
                    self.say("354 go on")
                    lines = iter(lambda: self.rfile.readline().decode().rstrip("\r\n"), ".")
                    got.append("\n".join(lines))
                    self.say("250 taken")
                elif word == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 yes")

        def say(self, line):
            self.wfile.write(f"{line}\r\n".encode())

    return Handler


def test_a_webhook_gets_the_subject_and_every_line():
    got = []
    with webhook(got) as url:
        Webhook(url).send(ALARM)
    (message,) = got
    assert message["text"].startswith("*ALARM exposures-late at frdf*\n3 exposures are late.")
    assert "See: https://airflow/dbb/night/20261121" in message["text"]


def test_a_webhook_that_does_not_take_it_is_an_error_without_its_address():
    with webhook([], 403) as url, pytest.raises(AlarmNotSent, match="403") as refused:
        Webhook(url).send(ALARM)
    with pytest.raises(AlarmNotSent) as dead:
        Webhook(url).send(ALARM)
    for caught in (refused, dead):
        assert "SECRET" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_a_mail_says_what_where_since_when_and_what_next():
    got = []
    with serving(mail_server(got)) as port:
        address = f"smtp://127.0.0.1:{port}?from=dbb@example.org&to=a@example.org,b@example.org"
        Mail(address).send(ALARM)
    (message,) = got
    for line in (
        "Subject: [data backbone] ALARM exposures-late at frdf",
        "To: a@example.org, b@example.org",
        "Where: frdf",
        "Since: 2026-11-21 03:00:00 UTC",
        "Next: Look.",
    ):
        assert line in message.replace(",b@", ", b@")


def test_a_mail_that_is_not_taken_is_an_error_without_the_password():
    with serving(mail_server([], "550 no")) as port, pytest.raises(AlarmNotSent) as caught:
        Mail(f"smtp://127.0.0.1:{port}?from=x@example.org&to=y@example.org").send(ALARM)
    assert caught.value.where == "mail"


@pytest.mark.parametrize("url", ["http://host?from=a&to=b", "smtp://host?from=a", "smtp://?to=b"])
def test_an_address_that_lacks_a_part_names_the_setting(url):
    with pytest.raises(SettingMissing, match="DBB_ALARM_MAIL"):
        Mail(url)


def test_the_channels_are_those_that_are_set():
    assert open_channels(Settings.load(environment={})) == []
    set_ = {"DBB_ALARM_WEBHOOK": "https://x", "DBB_ALARM_MAIL": "smtps://x?from=a&to=b"}
    assert [each.name for each in open_channels(Settings.load(environment=set_))] == [
        "webhook",
        "mail",
    ]
