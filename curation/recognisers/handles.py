"""Account names: `@x`, `x#1234`, `u/x`, "my insta is x", "snap: x", "im x on discord", "インスタはx", "id ku x".

An @ before letters is an account unless letters touch it on the left (mail does that). Without it, a network's name
or a word for account must lead to the name, or follow it after "on": and because "my twitter is full of bots", the
name must then carry a digit, a dot or an underscore, or stand where its clause ends, or after a colon. Codes that
games give out for finding a friend (three groups of four digits) count after their word.

Left alone: names of channels and communities (`r/x`), account names without any lead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import CLAUSE_END, NOT_A_NAME, Found, any_of, words
from curation.recognisers.digits import LATIN

_HANDLE = re.compile(rf"(?<![{LATIN}@./＠])[@＠] ?(?<![@＠] )[{LATIN}][{LATIN}.-]{{1,38}}(?<![.-])")
_DISCORD = re.compile(r"(?<![\w#])[\w.]{2,32}#\d{4,5}(?!\w)")
_REDDIT = re.compile(r"(?<![\w/.])/?u/[\w-]{3,20}(?![\w/])")
_NETWORK = any_of(
    r"""
    insta(?:gram)? ig snap(?:chat)? discord telegram tg tik\s?tok twitter skype kik line we\s?chat kakao(?:talk)?
    whats\s?app facebook fb signal steam psn xbox gamer\s?tag roblox reddit twitch tumblr venmo cash\s?app paypal
    handle user\s?name usu[aá]rio usuario benutzername pseudo nick(?:name)? id bluesky linkedin github インスタ
    ディスコ(?:ード)? ライン ツイッター アカウント アカ アイディー 인스타(?:그램)? 디코 디스코드 카톡 카카오톡
    라인 트위터 아이디 계정
    """
)
_MINE = any_of(
    r"""
    my mine mein(?:e|en)? mi meu minha mon ma il\smio la\smia
    (?:add|find|dm|message|text|follow|reach|catch)\sme(?:\son)? hit\sme\sup\son hmu\son i['’]?m\son segue
    sígueme\sen agrégame\sen adiciona ajoute-moi\ssur suis-moi\ssur folge\smir add follow our your his her their
    kamu 僕の 私の 俺の わたしの 내 제 나 우리
    """
)
_SIGN = re.compile(rf"(?<![{LATIN}]){_NETWORK}(?![A-Za-z])", re.IGNORECASE)
_MINE_BEFORE = re.compile(rf"(?<![{LATIN}])(?P<mine>{_MINE})\s{{1,2}}$", re.IGNORECASE)
_NAMED = re.compile(
    r"(?:\s(?:id|name|handle|user(?:name)?|account|tag|(?P<mine>ku|aku|gue|gw|saya))\b)?"
    r"\s{0,2}(?P<link>[:：=]|->|→|[-–—](?= )|['’]s\b|\b(?:is|es|ist|é|est|è|adalah|as)\b|は|が|은|는|이|가"
    r"|(?<=[\s]))\s{0,2}"
    r"(?P<handle>[A-Za-z0-9_][A-Za-z0-9_.-]{2,29})(?![A-Za-z])",
    re.IGNORECASE,
)
_ON = re.compile(
    rf"(?<![{LATIN}@.])(?P<me>(?:i['’]?m|i am|soy|sou|ich bin|je suis)\s)?(?P<handle>[A-Za-z0-9_.-]{{3,30}})"
    r"\s(?:on|em|en|sur|auf|no|di)\s(?:my\s|the\s)?$",
    re.IGNORECASE,
)
_FRIEND = re.compile(r"(?<![\w-])(?:SW-)?\d{4}-\d{4}-\d{4}(?![\w-])")
_FRIEND_BEFORE = re.compile(
    r"(?:SW-|friend code|freundescode|code ami|código de amigo|フレンドコード|친구 코드).{0,30}$", re.IGNORECASE
)
_COUNT = re.compile(r"\d+(?:st|nd|rd|th|k|m|s|h|d|x|min|hrs?|pm|am|p|mb|gb|%)?", re.IGNORECASE)
_WEAK = words("id line signal handle nick user follow add")
_NOT_A_HANDLE = NOT_A_NAME | words(
    "down dead back full cool trash garbage account page profile app story stories post posts"
)
# One of these stands wherever a network does.
_SIGNS = (
    *("insta", " ig", "ig:", "snap", "discord", "telegram", " tg", "tik", "twitter", "skype", "kik", " line", "line:"),
    *("chat", "kakao", "whats", "faceb", " fb", "fb:", "signal", "steam", "psn", "xbox", "gamer", "roblox", "reddit"),
    *("twitch", "tumblr", "venmo", "cash", "paypal", "handle", " user", "user:", "usern", "usuar", "usuár", "benutz"),
    *("pseudo", " nick", "nick:", " id ", " id:", "id:", "id is", "bluesky", "linked", "github"),
)


def handles(text: str) -> Iterator[Found]:
    """Account names: after an @, with a discriminator, or led to by the name of a network."""
    if "@" in text or "＠" in text:
        for match in _HANDLE.finditer(text):
            yield Found(*match.span(), "HANDLE", 0.7)
    if "#" in text:
        for match in _DISCORD.finditer(text):
            if any(c.isalpha() for c in match[0]):
                yield Found(*match.span(), "HANDLE", 0.7)
    if "u/" in text:
        for match in _REDDIT.finditer(text):
            yield Found(*match.span(), "HANDLE", 0.7)
    if "-" in text:
        for match in _FRIEND.finditer(text):
            if match[0][0] in "Ss" or _FRIEND_BEFORE.search(text, max(0, match.start() - 50), match.start()):
                yield Found(*match.span(), "HANDLE", 0.7)
    lowered = text.lower()
    first = lowered.startswith(("ig ", "id ", "fb ", "tg ", "user", "nick", "line "))
    if text.isascii() and not first and not any(sign in lowered for sign in _SIGNS):
        return
    for network in _SIGN.finditer(text):
        named = _NAMED.match(text, network.end())
        handle = named["handle"].rstrip(".-") if named else ""
        if named and len(handle) > 2 and _leads(text, network, named, handle):
            yield Found(named.start("handle"), named.start("handle") + len(handle), "HANDLE", 0.7)
        on = _ON.search(text, max(0, network.start() - 60), network.start())
        if on and (is_marked(on["handle"]) or (on["me"] and _is_free(on["handle"]))):
            yield Found(*on.span("handle"), "HANDLE", 0.6)


def is_marked(handle: str) -> bool:
    """Whether a word is written as account names are: letters with digits or underscores, and no amount."""
    return (
        any(c.isalpha() for c in handle)
        and any(c.isdigit() or c == "_" for c in handle)
        and not _COUNT.fullmatch(handle)
    )


def _is_free(word: str) -> bool:
    lowered = word.lower()
    return lowered not in _NOT_A_HANDLE and not lowered.endswith(("ing", "ly", "ed"))


def _leads(text: str, network: re.Match[str], named: re.Match[str], handle: str) -> bool:
    """Whether what stands before a word says that the word is an account."""
    before = _MINE_BEFORE.search(text, max(0, network.start() - 30), network.start())
    mine = before is not None or named["mine"] is not None
    link = named["link"].lower()
    ends = CLAUSE_END.match(text, named.start("handle") + len(handle)) is not None
    if is_marked(handle) or ("." in handle and not handle.endswith((".com", ".net", ".org"))):
        return bool(mine or link) or network[0].lower() not in _WEAK
    if not _is_free(handle) or not any(c.isalpha() for c in handle):
        return False
    if link in ("は", "が", "은", "는", "이", "가"):
        return True
    return ends and (link in (":", "：", "=", "->", "→") or (mine and link not in ("", "as")))
