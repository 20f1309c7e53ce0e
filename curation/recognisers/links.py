"""Links that lead to a person: profiles, user names, mail addresses and keys inside them.

A link is personal by its path: a network's profile, `/u/name`, `/~name`, a person's pictures or curriculum vitae, or
a query that names a user or holds a token; or by a shared file or calendar, whose address is its key. A link to a
page, a shop, a film or a firm is nobody's data and stays, so that training text keeps what it talks about.

Left alone: bare domains, also those that are somebody's name: nothing in them says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found, any_of

_LINK = re.compile(
    r"(?<![\w@])(?:https?://|www\.)?(?:[\w.-]{1,80}(?::[^\s/@]{1,80})?@)?[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"
    r"(?::\d{2,5})?[/?#][^\s<>\"']{0,2000}"
)
_PROFILE = re.compile(
    r"\b"
    + any_of(
        """
    instagram facebook fb twitter x tiktok snapchat t telegram linkedin onlyfans github gitlab vk wa paypal venmo
    cash twitch discord reddit steamcommunity youtube threads bsky mastodon soundcloud spotify pinterest tumblr
    linktr patreon ko-fi
    """
    )
    + r"\.(?:com|me|gg|tv|be|net|app|ee|social|org)/(?!p/|watch|search|explore|r/|status/|hashtag/|events?/|help|about)"
    r"@?[\w.+-]{2,}"
    r"|/[\w.-]{3,}/(?:photos?|pics|gallery|albums?|videos?|posts|wishlist)\b|/(?:cv|resume|portfolio|about-?me"
    r"|me)(?:\b|$)"
    r"|/(?:u|user|users|profile|profiles|in|people|member|members|add|id|invite)/[\w.@+-]{2,}|/@\w|~\w|:[^/]{1,80}@"
    r"|\b(?:docs|drive|calendar|photos)\.google\.com/|\bdropbox\.com/s|\b1drv\.ms/|\bicloud\.com/"
    r"|[?&#](?:e-?mail|user(?:name|_?id)?|uid|token|auth|key|session|phone|name|account|id)=",
    re.IGNORECASE,
)


def links(text: str) -> Iterator[Found]:
    """Links that lead to a person: profiles, user names, mail, tokens."""
    if "." in text and ("/" in text or "?" in text or "#" in text):
        for match in _LINK.finditer(text):
            if _PROFILE.search(match[0]):
                yield Found(match.start(), match.start() + len(match[0].rstrip(".,;:!?)、。")), "URL", 0.8)
