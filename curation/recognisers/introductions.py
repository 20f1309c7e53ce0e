"""Names that their owner gives, or that a title or kinship announces: `my name is X`, `me chamo X`, `私は…です`.

These hold where no name tagger speaks the language, and in lower case, where taggers are deaf. A sure lead (`my name
is`) takes what follows unless it is a word that follows it otherwise; a doubtful one (`I'm`, `soy`, `ich bin`) wants
a capital, or in English the end of the clause.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import CLAUSE_END, INTRODUCED, NOT_A_NAME, Found, any_of, words

_ENDINGS = (
    "ing",
    "ed",
    "ly",
    "ful",
    "less",
    "ous",
    "able",
    "ible",
    "ive",
    "ish",
    "ness",
    "tion",
    "ist",
    "n't",
    "est",
    "ical",
)
_TOKEN = r"[^\W\d_][\w'’\-]{0,30}(?:\.(?=\s))?"
_CAP = r"[A-ZÀ-ÖØ-ÞĀ-ſА-ЯЁ][^\W\d_]{0,30}(?:['’-][^\W\d_]{1,30})?"
_NAMES = rf"(?P<names>{_TOKEN}(?:[ \t]+{_TOKEN}){{0,3}})"

_SURE = re.compile(
    r"(?<!\w)(?:"
    r"my (?:full |first |last |real |middle )?name(?:['’]?s| is| was)|the name['’]?s|name\s{0,2}[:=]|calls? me"
    r"|i am called|its me|i['’]m called|i go by|signed,|me chamo|meu nome (?:completo )?(?:é|eh|e)|me llamo"
    r"|mi nombre (?:completo )?es"
    r"|je m['’]appelle|mon (?:pré)?nom est|moi c(?:['’]est)?|ich hei(?:ß|ss)e?(?: übrigens)?"
    r"|mein name ist|mi chiamo|il mio nome (?:è|e)"
    r"|nama (?:lengkap |asli )?(?:saya|aku|gue|gw|ku)(?: adalah)?|perkenalkan,? (?:saya|aku)"
    r"|nama(?:ku|gue)(?: adalah)?|panggil (?:saya|aku)"
    r"|ik heet|mijn naam is|mam na imię|nazywam się|меня зовут|моё имя|мое имя|benim adım|adım|jag heter|jeg heter"
    r"|jeg hedder"
    r"|minun nimeni on|tên tôi là|mình tên là|ang pangalan ko ay"
    rf")\s+{_NAMES}",
    re.IGNORECASE,
)
_PERHAPS = re.compile(
    # "im" is German, too: there it stands inside a sentence.
    r"(?<![\w'’])(?P<lead>i['’]m|(?:(?<![^\n])|(?<=[.!?,\n] )|(?<=hi )|(?<=hey )|(?<=hello )|(?<=and ))im|i am|this is"
    r"|it['’]?s|ich bin(?: der| die)?|je suis|soy|eu sou(?: o| a)?|sou (?:o|a)|sono|saya|aku"
    rf"|ik ben|я|ben)\s+{_NAMES}",
    re.IGNORECASE,
)
_TITLE = any_of(
    r"mr mrs ms mx dr prof herr frau monsieur madame mme señora? sra? doña don dona signora? bapak ibu pak bu"
)
_KIN = any_of(
    """wife husband girlfriend boyfriend partner fiancée? brother sister son daughter kid child baby cousin uncle aunt
    nephew niece friend bff boss coworker roommate neighbou?r ex name"""
)
_NAMED = re.compile(
    rf"(?<!\w)(?:(?i:{_TITLE})\.?|(?i:(?:my|our|his|her|maiden|last|sur|first)\s?(?:\w{{1,20}}\s)?{_KIN},?(?: is| "
    rf"named| called)?))"
    rf"[ \t]+(?P<names>{_CAP}(?:[ \t]+{_CAP}){{0,2}})"
)
_SPOKEN_NAMES = [
    re.compile(
        r"(?:私|わたし|僕|ぼく|俺|名前|なまえ)(?:の名前)?は、?(?P<names>[一-龥々ぁ-んァ-ヶー・A-Za-z]{1,12}?)"
        r"(?:です|だよ|だ[。！!]|と申します|といいます|と言います|っていいます|って言います)"
    ),
    # A space inside a Japanese phrase stands between surname and first name.
    re.compile(
        r"(?<![一-龥ァ-ヶ])(?P<names>[一-龥々]{1,4}[ 　][一-龥々ぁ-ん]{1,4}?)"
        r"(?=さん|くん|君|様|って|という|と|に|、|。|です|\s|$)"
    ),
    re.compile(r"(?P<names>[一-龥々ァ-ヶー・]{1,10})(?:と申します|といいます|と言います|って呼んで|と呼んで)"),
    re.compile(
        r"(?:제|내|저의|나의)\s?이름(?:은|:)?\s?(?P<names>[가-힣A-Za-z]{1,10}?)"
        r"(?=이에요|예요|입니다|이야|야(?!\w)|이고|라고|이라고|[\s.!?,]|$)"
    ),
    re.compile(r"(?:저는|나는|난|전)\s?(?P<names>[가-힣]{2,5}?)(?=(?:이)?라고\s?(?:해|하|합니다|불러))"),
    re.compile(
        r"(?:我叫|我的名字(?:叫|是)|我是(?=[^，。！？\s]{2,3}[，。！])"
        r"|叫我)(?P<names>[一-龥]{2,4}?)(?=[，。！？,.!?\s]|$)"
    ),
]
_NOT_SPOKEN_NAMES = tuple(
    words(
        """学生 先生 人 元気 大丈夫 好き 女 男 会社員 何 誰 秘密 モデル アシスタント 人工知能 ロボット
        뭐 학생 사람 비밀 모델 什么 老师"""
    )
)


def introductions(text: str) -> Iterator[Found]:
    """Names that their owner gives: `my name is X` and its like in many languages, also in lower case."""
    if not text.isascii():
        for pattern in _SPOKEN_NAMES:
            for match in pattern.finditer(text):
                if not match["names"].endswith(_NOT_SPOKEN_NAMES):
                    yield Found(*match.span("names"), "PERSON", INTRODUCED)
    shouting = text.isupper()
    for match in _NAMED.finditer(text) if not shouting else ():
        if NOT_A_NAME.isdisjoint(match["names"].lower().split()):
            yield Found(*match.span("names"), "PERSON", 0.6)
    for match in _SURE.finditer(text):
        end = _end_of_name(text, match, sure=True, shouting=shouting)
        if end > match.start("names"):
            yield Found(match.start("names"), end, "PERSON", INTRODUCED)
    for match in _PERHAPS.finditer(text):
        end = _end_of_name(text, match, sure=False, shouting=shouting)
        if end > match.start("names"):
            yield Found(match.start("names"), end, "PERSON", 0.6)


def _end_of_name(text: str, match: re.Match[str], *, sure: bool, shouting: bool) -> int:
    """Where the name that begins at `names` ends; its start where there is none."""
    end = start = match.start("names")
    for token in re.finditer(_TOKEN, match["names"]):
        word, stop = token[0], start + token.end()
        plain = word.lower().rstrip(".").replace("’", "'")
        capital = word[0].isupper() and not shouting
        clause_ends = word.endswith(".") or CLAUSE_END.match(text, stop) is not None
        unlikely = plain in NOT_A_NAME or (not capital and plain.endswith(_ENDINGS)) or plain.endswith(("'m", "'s"))
        if unlikely or (len(plain) < 2 and end == start):
            break
        first_name_alone = end == start and (
            sure or (match["lead"].lower() in ("i'm", "i’m", "im", "i am") and clause_ends and not shouting)
        )
        if not (capital or first_name_alone or (end > start and sure and clause_ends)):
            break
        # "Soy Vegana", "This is Sparta" would do: a doubtful lead needs the clause to end after a capitalised name,
        # too.
        end = stop - (word.endswith("."))
        if (
            not sure
            and match["lead"].lower() in ("it's", "its", "it’s", "this is")
            and not re.match(r"\s*(?:$|[,.!]|here|from|speaking)", text[stop:])
        ):
            following = text[stop:].lstrip()[:1]
            if not following.isupper():
                return start
    return end
