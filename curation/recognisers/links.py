"""Links that lead to a person: profiles, user names, mail addresses and keys inside them.

A link is personal by its path: a network's profile, `/u/name`, `/~name`, a person's pictures or curriculum vitae, or
a query that names a user or holds a token; or by a shared file or calendar, whose address is its key. A page that
somebody calls theirs ("my website is", "just posted a photo") is theirs, whatever its path. A link to a page, a shop,
a film or a firm is nobody's data and stays, so that training text keeps what it talks about.

Left alone: other bare domains, also those that are somebody's name: nothing in them says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found, any_of, words
from curation.recognisers.letters import ascii_words

_DOTTED = re.compile(r"\.[^\W_]")
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


# My website is ..., mein Blog: ..., Website:\n..., just posted a photo ...
_MINE = re.compile(
    r"(?<![^\W\d_])(?:(?:my|our|mein(?:e|en)?|meu|minha|mi|mon|ma|il mio)\s(?:own\s|personal\s|new\s)?"
    r"(?:web\s?site|site|home\s?page|web\s?page|web|page|blog|portfolio|channel|shop|store|link|profile|resume"
    r"|cv|seite|loja|tienda"
    r"|p[áa]gina|boutique|kanal|canal)"
    r"|(?:web\s?site|home\s?page|webseite|site web|p[áa]gina web|blog)(?=\s?:)|web(?:site|ku)?\ssaya|blogku"
    r"|shared\s(?:\w{1,12}\s){0,3}with\s(?:you|u)|posted\s(?:a|an|some|new|my)\s(?:new\s)?(?:photos?|pictures?"
    r"|pics?|videos?|selfies?|reels?))"
    r"(?:\s(?:is|at|on|ist|é|es|est|here|under|called|now)|\s?[:=]){0,2}\s{0,3}$",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"(?<![\w@.])(?:https?://"
    r"|www\.)?[\w-]{1,63}(?:\.[\w-]{1,63}){0,4}\.[a-z]{2,12}(?![\w@.]*@)(?:[/?#][^\s<>\"']{0,2000}|(?![\w-]))",
    re.IGNORECASE,
)


def links(text: str) -> Iterator[Found]:
    """Links that lead to a person: profiles, user names, mail, tokens, pages that somebody calls theirs."""
    if not _DOTTED.search(text):
        return
    if "/" in text or "=" in text or "#" in text:
        for match in _LINK.finditer(text):
            if _PROFILE.search(match[0]):
                yield Found(match.start(), _end(match), "URL", 0.8)
    if "/" in text or not _OWN.isdisjoint(ascii_words(text)):
        for match in _BARE.finditer(text):
            if _MINE.search(text, max(0, match.start() - 50), match.start()):
                yield Found(match.start(), _end(match), "URL", 0.7)


def _end(link: re.Match[str]) -> int:
    return link.start() + len(link[0].rstrip(".,;:!?)、。"))


_OWN = words(
    """website site homepage webpage web page blog portfolio channel shop store seite webseite loja tienda pagina
    boutique"""
)
