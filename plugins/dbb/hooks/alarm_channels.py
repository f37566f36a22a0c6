"""The channels by which alarms reach people: mail (SMTP), and a chat's incoming webhook."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import parse_qs, unquote, urlsplit

import requests

from dbb.errors import AlarmNotSent, SettingMissing
from dbb.hooks.certificates import REQUESTS_CA, made_clear
from dbb.model.alarm import Alarm
from dbb.settings import Settings

TIMEOUT_S = 20


class Webhook:
    """Post alarms to an incoming webhook, in the form that Slack and Mattermost take.

    Parameters
    ----------
    url
        Its address, which is a secret: who knows it may write there.
    """

    name = "webhook"

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, alarm: Alarm) -> None:
        """Post an alarm."""
        text = f"*{alarm.subject}*\n{alarm.text}"
        try:
            answer = requests.post(self._url, json={"text": text}, timeout=TIMEOUT_S)
        except OSError as error:  # all that requests raises; its text holds the address
            failure = AlarmNotSent.for_channel(self.name, type(error).__name__)
            raise made_clear(failure, error, REQUESTS_CA) from None
        if not answer.ok:
            raise AlarmNotSent.for_channel(self.name, f"status {answer.status_code}")


class Mail:
    """Mail alarms.

    Parameters
    ----------
    url
        ``smtp://user:password@host:port?from=ADDRESS&to=ADDRESS,ADDRESS``; ``smtps`` for TLS from the
        beginning, with a certificate that is believed. With ``smtp`` the connection is encrypted
        where the server can, and nobody asks whose it is: for a relay on the same machine.

    Raises
    ------
    SettingMissing
        If a part of it is missing.
    """

    name = "mail"

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        if (
            parts.scheme not in ("smtp", "smtps")
            or not parts.hostname
            or {"from", "to"} - set(query)
        ):
            raise SettingMissing.for_setting("DBB_ALARM_MAIL")
        self._is_tls = parts.scheme == "smtps"
        self._host, self._port = parts.hostname, parts.port or (465 if self._is_tls else 25)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender, self._receivers = query["from"][0], query["to"][0]

    def send(self, alarm: Alarm) -> None:
        """Mail an alarm."""
        message = EmailMessage()
        message["Subject"] = f"[data backbone] {alarm.subject}"
        message["From"], message["To"] = self._sender, self._receivers
        message.set_content(alarm.text)
        try:
            with self._connect() as server:
                server.ehlo()
                if server.has_extn("starttls"):
                    server.starttls()
                if self._user:
                    server.login(self._user, self._password)
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            failure = AlarmNotSent.for_channel(self.name, type(error).__name__)
            raise made_clear(failure, error, "SSL_CERT_FILE") from None

    def _connect(self) -> smtplib.SMTP:
        if not self._is_tls:
            return smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_S)
        # Without a context of ours the library encrypts and asks for no certificate.
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT_S, context=context)


def open_channels(settings: Settings) -> list[Webhook | Mail]:
    """Open the channels that are set: ``DBB_ALARM_WEBHOOK``, ``DBB_ALARM_MAIL``."""
    channels: list[Webhook | Mail] = []
    if url := settings.environment.get("DBB_ALARM_WEBHOOK"):
        channels.append(Webhook(url))
    if url := settings.environment.get("DBB_ALARM_MAIL"):
        channels.append(Mail(url))
    return channels
