"""Calls of unmodified SDKs: `python calls_services.py NAME URL`, with the environment of requirements.txt beside this file."""

import sys


def certbot_desec(url):
    from certbot_dns_desec.dns_desec import _DesecConfigClient

    client = _DesecConfigClient(f"{url}/api/v1", "not-the-token")
    zone = client.get_authoritative_zone("_acme-challenge.www.example.org")
    client.get_txt_rrset(zone, "_acme-challenge.www")
    client.set_txt_rrset(zone, "_acme-challenge.www", ['"GFxAvQ2JwcBfHBmeZ6ZEfDk3X0mVh2Qm9yQ0bJ4oC7s"'])
    client.set_txt_rrset(zone, "_acme-challenge.www", [])


def stripe_refund(url):
    import stripe

    client = stripe.StripeClient("sk_test_not_the_key", base_addresses={"api": url}, max_network_retries=0)
    client.v1.refunds.create({"payment_intent": "pi_1", "amount": 1000, "metadata": {"order": "6735"}})


def stripe_refund_by_resource(url):
    import stripe

    stripe.api_base, stripe.api_key, stripe.max_network_retries = url, "sk_test_not_the_key", 0
    stripe.Refund.create(payment_intent="pi_1", amount=1000, expand=["charge"], metadata={"order": "6735"})


def slack_post(url):
    _slack(url).chat_postMessage(channel="C024BE91L", text="hello")


def slack_post_blocks(url):
    block = {"type": "section", "text": {"type": "mrkdwn", "text": "*hello*"}}
    _slack(url).chat_postMessage(channel="C024BE91L", text="hello", blocks=[block], thread_ts="1700000000.000100")


def slack_history(url):
    _slack(url).conversations_history(channel="C024BE91L", limit=100, cursor="dXNlcjpVMDYx")


def slack_file(url):
    """The first of three calls."""
    _slack(url).files_getUploadURLExternal(filename="a.txt", length=5)


def twilio_message(url):
    from twilio.http.http_client import TwilioHttpClient
    from twilio.rest import Client

    class ToLoopback(TwilioHttpClient):
        """The host of the API is fixed in the SDK."""

        def request(self, method, uri, *arguments, **options):
            return super().request(method, uri.replace("https://api.twilio.com", url), *arguments, **options)

    client = Client("AC" + "0" * 32, "not-the-token", http_client=ToLoopback())
    client.messages.create(to="+15558675310", from_="+15017122661", body="Your build is done & ready")


def sendgrid_mail(url):
    from sendgrid import SendGridAPIClient
    from sendgrid.helpers.mail import Mail

    mail = Mail(from_email="ci@acme.example", to_emails="ops@acme.example", subject="Build", plain_text_content="done")
    SendGridAPIClient("not-the-key", host=url).send(mail)


def sendgrid_mail_copies(url):
    from sendgrid import SendGridAPIClient
    from sendgrid.helpers.mail import Mail

    mail = Mail(from_email="ci@acme.example", to_emails=[("ops@acme.example", "Ops")], subject="Build", html_content="<b>done</b>")
    mail.add_bcc("boss@acme.example")
    SendGridAPIClient("not-the-key", host=url).send(mail)


def google_event(url):
    service = _calendar(url)
    event = {
        "summary": "Review", "start": {"dateTime": "2026-12-01T10:00:00Z"}, "end": {"dateTime": "2026-12-01T11:00:00Z"},
        "attendees": [{"email": "ada@acme.example"}],
    }
    service.events().insert(calendarId="primary", body=event, sendUpdates="none").execute()


def _slack(url):
    from slack_sdk import WebClient

    return WebClient("xoxb-not-the-token", base_url=f"{url}/api/")


def _calendar(url):
    from google.oauth2.credentials import Credentials
    from googleapiclient.discovery import build

    return build("calendar", "v3", credentials=Credentials("not-the-token"), client_options={"api_endpoint": f"{url}/calendar/v3/"}, static_discovery=True)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
