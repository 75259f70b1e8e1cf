"""The one import of a policy author: what a policy sees, returns and borrows."""

from twgw.model import Charge, Credential, Limit, Subscription, Tier
from twgw.policy.exchange import Answer, Exchange, Problem, Request, Response
from twgw.policy.headers import Headers
from twgw.policy.interfaces import Decision, Gateway, HttpAnswer
from twgw.settings import setting

__all__ = [
    "Answer",
    "Charge",
    "Credential",
    "Decision",
    "Exchange",
    "Gateway",
    "Headers",
    "HttpAnswer",
    "Limit",
    "Problem",
    "Request",
    "Response",
    "Subscription",
    "Tier",
    "setting",
]
