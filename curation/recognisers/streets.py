"""How some twenty languages write a street and a house number: the core that an address grows from.

For each manner of writing there is a pattern: number first ("12 Long Meadow Road", "36 bis rue de la Paix"), number
last ("Hauptstraße 5a", "Rua Augusta, 1200", "Jl. Sudirman No. 12"), plots and blocks (India, Indonesia), boxes,
military post, corners, flats. Words that are nothing but streets ("avenue", "-straße") count in any case; words that
are more ("way", "close", "court") want a capital, or somebody who leads to the address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from curation.found import any_of, words

CAP = r"[A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĖĘĚĞĢĪĮİĶŁĹĻĽŃŅŇŌŐŒŔŘŚŠŞŢŤŪŮŰŲŹŻŽΆ-Ϋ∆А-ЯЁ][\w'’.\-]{0,30}"
WORD = r"[^\W\d_][\w'’\-]{0,30}"
SMALL = (
    r"(?:(?:de|du|des|da|do|dos|das|del|della|dei|di|la|le|les|los|las|el|van|von|der|den|of|the|z|y|e|and|na|zum|zur"
    r"|am|an|bei|ob|auf)\s+|d['’]|l['’])"
)
NUMBER = r"\d{1,6}(?:\s?[a-zA-Z]|/\d{1,4}|-\d{1,4})?(?!\w)\.?"
_FIRM = any_of(
    r"""street avenue boulevard blvd\.? terrace crescent parkway highway road rd\.? ave\.? lane drive cul-de-sac
    turnpike roadway"""
)
LOOSE = any_of(  # ordinary English words too: only with a capital, or after a lead
    """Streets? St Str Avenue Ave Av Road Rd Drive Dr Lane Ln Boulevard Blvd Way Courts? Ct Place Pl Close Circle Cir
    Square Sq Gardens Gdns Grove Row Mews Trail Trl Terrace Ter Gateway Parkway Pkwy Parks? Heights Hts Coves? Pass
    Extensions? Crescent Cres Highway Hwy Alley Bypass Plaza Avenida Calle"""
)
_RARE = any_of(  # streets end in these, too, but so do the names of all kinds of things
    """Hills? Slip Bend Loop Run Walk Wharf Quay Rise View Green End Drove Yard Point Ridge Crossing Landing Route Path
    Bridge Village Valley Springs Station Mills? Meadows? Islands? Harbor Harbour Junction Creek Forest Crest Common
    Vale Chase Croft Mount Lea Gate Flats Dale Forks Manor Orchard Field Fields Glen Knoll Hollow Shores? Spur Trace"""
)
_SIDE = r"(?:North|South|East|West|N\.?[EW]?\.?|S\.?[EW]?\.?|E\.?|W\.?)"
_FRENCH = any_of(
    r"""rue avenue av\. boulevard bd\.? place allée chemin impasse quai cours route square montée sentier passage villa
    faubourg esplanade ruelle voie sente venelle rond-point traverse lotissement"""
)
_ROMANCE = any_of(
    r"""
    [Cc]allej[oó]n [Aa]ndador [Pp]rivada [Cc]errada [Pp]rolongaci[oó]n [Cc]alzada [Cc]alle [Cc]/ [Aa]venida
    AVENIDA CALLE RUA VIA [Aa]vda\.? [Aa]v\. [Pp]aseo [Pp]laza [Cc]arrera [Rr][uú]a [Rr]\. [Tt]ravessa [Pp]raça
    [Aa]lameda [Ee]strada [Rr]odovia [Ll]adeira [Bb]eco [Vv]iela [Vv]ia [Vv]iale [Vv]icolo [Cc]orso [Pp]iazza
    [Ll]argo [Ss]trada [Rr]ue Avenue [Bb]lvd\. [Bb]oulevard [Cc]ircuito [Rr]etorno [Cc]amino [Rr]onda
    [Cc]ircunvalación [Dd]iagonal [Ee]je\svial [Cc]ontinuación [Aa]mpliación [Vv]iaducto [Pp]eatonal [Cc]orredor
    [Pp]erif[ée]rico [Tt]raves[ií]a [Pp]asaje [Rr]úa
    """
)
_STEM = any_of(
    r"""
    stra(?:ß|ss)e str\. gasse weg platz allee damm ufer chaussee brücke steig straat laan plein gracht dijk kade
    singel steeg gatan vägen veien vegen vej gade gata gate katu tie kuja polku stræde torv vænget vangur vegur
    braut väg terrasse allé backen gränd stigen stræti götu hlíð allén vænge strønd kaari raitti utca utcza útja
    körút sokak sokağı caddesi
    """
)
_SOFT_STEM = any_of("ring berg hof markt bogen graben stieg stiege bakke rinne winkel grund garten kamp")
_APART = any_of(
    r"""Stra(?:ß|ss)e Str\. Allee Platz Weg Ring Damm Ufer Chaussee terrasse kapu u\. út útja tér tere utca körút krt\.
    rkp\. rakpart fasor sétány köz sor Sokak Sok\. Sk\. Caddesi Cad\. Cd\. ulica cesta trg ulice náměstí nám\. třída
    tee puiestee maantee gatve iela prospekts"""
)
_NOT_A_STREET = any_of(  # German: prepositions lead to these as well
    r"""Januar Februar März April Mai Ju[nl]i August September Oktober November Dezember Jahr \w{1,20}tag\b Uhr Raum
    Zimmer Kapitel Seite Klasse Level Stock Gruppe Staffel Folge Runde Halle Gleis Alter Schnitt Top Platz Spiel Teil
    Band
    Durchschnitt Wert Preis Test Fall Jahrhundert Sommer Winter Herbst Frühling Semester Monat Woche"""
)
_BEFORE = any_of(  # words for street that stand before the name
    r"""\bul\. \bulica \bulitsa \baleja \bal\. \bplac \bpl\. \bJl\.? \bJalan \bJln\.? \bGg\. \bул\. \bулица \bпр\.
    \bпроспект
    \bпер\.
    \bпереулок \bnáměstí \bnám\. \btřída \bLorong \bΟδός \bΛεωφόρος \bBulevar"""
)
_BEFORE_NAMES = any_of(r"\bGang \bStrada \bStr\. \bLrg\. \bUl \bOdos \bLeoforos \bCesta \bUlica")
_POST = r"(?:APO|FPO|DPO),?\s+A[AEP],?\s+\d{5}(?:-\d{4})?"
STATE_CODES = any_of(
    """
    AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR
    PA RI SC SD TN TX UT VT VA WA WV WI WY DC AB BC MB NB NL NS ON PE QC SK NSW VIC QLD TAS ACT
    """
)
HERE_AND_THERE = words(
    """
    the a an my your his her their our this that on in at of down up and or to for with from is are was were one
    two people cars houses blocks block miles minutes hours days day times time years year months weeks more left
    right dogs cats kids lane way street busy different lanes mile minute hour am pm o'clock percent dollars bucks
    euros pounds feet meters steps games points films movies books songs episodes seasons guys girls boys men
    women other big small same good bad great nice whole separate major lost little
    """
)
UNIT = (
    r"(?:\b(?i:Apt|Apartment|Appt|Suite|Ste|Unit|Flat|Floor|Room|Rm|Bldg|Building|Depto|Dpto|Departamento|Int"
    r"|Interior|Edif|Edificio|Studio|Level|Piso"
    r"|Apto|Apartamento|Bloco|Casa|Sala|B[âa]t|B[âa]timent|Esc|Étage|Appartement|Hinterhaus|Wohnung|Whg|Tower"
    r"|Blok|Block|Wing"
    r"|Phase|Sector|Lot|Stock|Lt|Lantai|Kavling|Kav|No|Nr|RT|RW)\.?[ \t]?[#º°:]?[ \t]?(?:\d{1,5}[A-Za-z]?"
    r"|[A-Z]\d{0,4})(?!\w)"
    r"(?:/(?:RW)?[ .]?\d{1,3})?|#[ \t]?\d{1,5}[A-Za-z]?(?!\w)|\b(?i:fundos|hinterhaus|ground floor|1st floor"
    r"|2nd floor|upstairs"
    r"|basement)\b|\b\d{1,2}(?:er|[eè]me|e|\.|º|st|nd|rd|th)[ \t](?i:étage|OG|Stock|andar|piso|floor)\b)"
)
_WHERE = any_of(
    r"""

    (?:i|we|he|she|they|who|you|u|mom|mum|dad|mother|father|gran(?:ny|dad|dma|dpa)?)\s(?:all\s|still\s|just\s)?(?:lives?|stays?|reside[sd]?|moved|lived)\s(?:in|at|on|to)
    (?:living|lives?|lived|staying|moving|moved|parked|waiting|located|situated|resident|party|meet(?:\s\w{2,4})?|stop|arrived|office\sis)\s(?:at|to|on)
    address(?:es)?(?:\s(?:is|are|now|to|from))? home\sis house\sis (?:i['’]?m|we['’]?re)(?:\s(?:now|home))?\sat
    (?:come|came|drive|go)\s(?:over\s)?to
    (?:deliver|send|sent|ship|mail|return|post|bring|forward)(?:ed)?\s(?:(?:it|them|that|this|mine)\s)?to
    pick\sme\sup\s(?:at|from) drop(?:s|ped)?\s(?:(?:it|them|me|you|us)\s)?(?:off\s)?at enter\son corner\sof
    mor[oa]\s(?:na|no|em) viv[oe]\s(?:en|em|na) endereço(?:\sé)? dirección(?:\ses)? domicilio
    j['’]?\s?habite(?:\sau|\sà)? habite\sau adresse(?:\s(?:ist|est|c['’]est))?
    wohn(?:e|t|en|haft)(?:\s(?:in|am|im|an))?(?:\sder)? tinggal\s(?:sendirian\s)?di rumah(?:ku|nya)?\sdi
    alamat(?:ku|nya)?(?:\sdi)? kirim\ske
    """
)
LEAD = re.compile(rf"(?<![^\W\d_]){_WHERE}[\s:,-]{{1,3}}$", re.IGNORECASE)


class Street(NamedTuple):
    """Where an address may begin.

    Attributes:
        start, end: Characters in the text, half open.
        sure: Whether the core is an address by itself; otherwise it wants a lead before it, or a flat, town or
            postcode behind it.
    """

    start: int
    end: int
    sure: bool


def _named(signs: str, pattern: str, flags: int = 0) -> tuple[re.Pattern[str], bool, tuple[str, ...]]:
    return re.compile(pattern, flags), True, tuple(sign.replace("_", " ") for sign in signs.split())


def _perhaps_named(signs: str, pattern: str, flags: int = 0) -> tuple[re.Pattern[str], bool, tuple[str, ...]]:
    return (*_named(signs, pattern, flags)[:1], False, *_named(signs, pattern, flags)[2:])


_I = re.IGNORECASE
_PLAIN = any_of(
    "Street St Avenue Ave Road Rd Lane Drive Dr Boulevard Blvd Terrace Crescent Court Close Square Row Way Place"
)
_COMMON = r"(?!(?:and|the|my|your|i|you|for|to|is|are|of|in|on|at|with|from|people|times|or|but|it|we|they)\b)"
_NAME = CAP.replace(".", "")
_NOT_A_ROAD = (
    r"(?!\s(?:trips?|signs?|rage|side|works?|smart|food|art|artists?|performers?|wear|racing|races?|tests?|kill)\b)"
)
_YEARS = r"(?!(?:1[89]|20)\d\d\b)"
# Patterns that begin at a number, and whether they are sure.
_NUMBER_FIRST = [
    # 12 Long Meadow Road, 916 Cannery Row South, 12/4 Temple Tank Street
    (
        re.compile(
            rf"(?<![\w.,/])(?:[A-Z]-)?{NUMBER},?\s+(?:{_SIDE}\s)?(?:(?:{SMALL}){{0,2}}{CAP}\s+){{1,4}}{LOOSE}\b\.?"
            rf"(?:\s+{LOOSE}\b){{0,2}}(?:\s{_SIDE}(?!\w))?(?:\s\d{{1,4}}\b)?"
        ),
        True,
    ),
    (
        re.compile(
            rf"(?<![\w.,/])\d{{1,6}}(?:[/-]\d{{1,4}})?(?:\s?[a-z](?![\w']))?,?\s+(?P<words>(?:{WORD}\s+){{1,3}}){_FIRM}(?!\w){_NOT_A_ROAD}",
            _I,
        ),
        True,
    ),
    (re.compile(rf"(?<![\w.,/])\d{{1,6}}[a-z]?\s+(?P<words>(?:{WORD}\s+){{1,3}}){LOOSE}(?!\w)", _I), False),
    (re.compile(rf"(?<![\w.,/]){NUMBER},?\s+(?:(?:{SMALL}){{0,2}}{CAP}\s+){{1,4}}{_RARE}\b"), False),
    # 323 evans lake martinberg ks 09038; 54 booth ferry jonesburgh m0 6ax
    (
        re.compile(
            rf"(?<![\w.,$€£])\d{{1,5}}(?:[/-]\d{{1,4}})?[a-z]?,?\s(?:{_COMMON}{WORD},?\s){{1,6}}"
            rf"(?:{STATE_CODES},?\s\d{{5}}(?:-\d{{4}})?|[a-z]{{1,2}}\d[a-z\d]?\s?\d[a-z]{{2}})(?!\w)",
            _I,
        ),
        True,
    ),
    # 36 bis rue de la Paix
    (
        re.compile(
            rf"(?<![\w.])\d{{1,6}}(?:\s?(?:bis|ter"
            rf"|quater))?,?\s+{_FRENCH}\s+(?:{SMALL}){{0,3}}{WORD}(?:[ -]{CAP}){{0,3}}"
            rf"(?:\s+{NUMBER})?",
            _I,
        ),
        True,
    ),
    # 6750 Koskikatu 25: a number, one to four names, a number, as lists of addresses have them
    (re.compile(rf"(?<![\w.,$/-]){_YEARS}\d{{2,6}}\s+(?:{CAP}\s+){{1,4}}\d{{1,4}}(?![\w%:]|[.,]\d)"), True),
    (re.compile(rf"(?<![\w.,$/-])\d{{2,6}}\s+(?:{WORD}\s+){{1,4}}\d{{1,4}}(?=,?\s+(?:apt|suite)\b)", _I), True),
    # 6 Heol y Bryn, Swansea; B-17 Shanti Enclave, New Delhi; 42, 3rd Cross, Jasmine Layout, Bengaluru
    (
        re.compile(
            rf"(?<![\w.,$/-]){_YEARS}(?:[A-Z]-)?\d{{1,5}}[a-z]?\s{_NAME}(?:\s(?:{SMALL})?{_NAME}){{1,3}}(?:\s#\d{{1,5}})?(?<!s)"
            rf"(?=,\s[A-Z]\w{{2}})"
        ),
        True,
    ),
    (
        re.compile(
            rf"(?<![\w.$/-])(?:\#\s?)?\d{{1,5}}(?:[/-]\d{{1,4}})?[A-Za-z]?,\s+\d{{1,3}}(?:st|nd|rd"
            rf"|th)\s+{CAP}(?:\s{CAP}){{0,3}}",
        ),
        True,
    ),
    (
        re.compile(
            rf"(?<![\w.$/-])(?:[A-Z]{{1,2}}[-/])?\d{{1,5}}[A-Za-z]?,?\s+(?:{CAP}\s+){{1,3}}"
            r"(?:Nagar|Enclave|Colony|Layout|Vihar|Marg|Towers?|Apartments|Society|Chowk|Puram|Bagh|Estate"
            r"|Residency|Heights)\b"
        ),
        True,
    ),
]
# Patterns that begin at a name, each with signs of which one stands, in small letters, where it matches.
_NAME_FIRST = [
    # Calle Mayor 5; Rua Augusta, 1200; Via Roma 131; Calle 48 No. 317 x 21 y 23
    _named(
        (
            "calle andador privada cerrada prolonga calzada c/ av via paseo plaza carrera rua rúa r. travessa praça "
            "alameda estrada rodovia ladeira beco viela piazza corso vicolo largo strada rue blvd boulevard circuito "
            "retorno camino ronda circunval diagonal eje continua amplia viaducto peatonal corredor perif pasaje "
            "callej"
        ),
        rf"\b{_ROMANCE}\s+(?:{SMALL}){{0,2}}{CAP}(?:\s+(?:{SMALL}){{0,2}}{CAP}){{0,4}},?\s*"
        rf"(?:[Nn][º°o.]{{1,2}}\s*)?{NUMBER}(?:\s\d{{1,4}}\b)?",
    ),
    _named(
        (
            "calle rua rúa av viale piazza paseo travessa alameda calzada privada retorno cerrada circuito blvd "
            "pasaje prolonga estrada ladeira pra rodovia jalan jln jl gg"
        ),
        r"\b(?:calle|rua|rúa|avenida|av|viale|piazza|paseo|travessa|alameda|calzada|privada|callej[oó]n|retorno"
        r"|cerrada|circuito|blvd"
        r"|pasaje|prolongaci[oó]n|estrada|ladeira|pra[çc]a|rodovia|jalan|jln|jl|gg)\.?\s+"
        rf"(?:\d{{1,2}}\s)?(?:{WORD}\s+){{0,3}}{WORD},?\s+(?:n[º°o.]{{1,2}}\s*|#\s?)?\d{{1,5}}\b",
        _I,
    ),
    _named(
        "calle carrera cr cl",
        r"\b(?:calle|carrera|cra?\.?|cl\.?)\s\d{1,4}\s?[a-z]?\s*(?:no\.?"
        r"|#)\s?\d{1,4}[a-z]?(?:[ -]\d{1,4})?(?: x \d{1,4}(?: y \d{1,4})?)?",
        _I,
    ),
    # Hauptstraße 5a; Prinsengracht 263; Pastor-Thoden-Straße 36a; Am alten Güterbahnhof 7b
    _named(
        (
            "stra str. gasse weg platz allee damm ufer chaussee brücke steig laan plein gracht dijk kade singel steeg "
            "gatan väg vei veg vej gade gata gate katu tie kuja polku stræde torv væng vang braut terrasse allé "
            "backen gränd stigen götu hlíð strønd kaari raitti ut sokak sokağı caddesi"
        ),
        rf"(?:{CAP}[ -]){{0,2}}\b[^\W\d_][\w\-]{{2,30}}(?i:{_STEM})\s+{NUMBER}",
    ),
    _named(
        (
            "stra str. gasse weg platz allee damm ufer chaussee brücke steig laan plein gracht dijk kade singel steeg "
            "gatan väg vei veg vej gade gata gate katu tie kuja polku stræde torv væng vang braut terrasse allé "
            "backen gränd stigen götu hlíð strønd kaari raitti ut sokak sokağı caddesi kapu u. út tér tere krt. rkp. "
            "rakpart fasor sétány köz sor sok. sk. caddesi cad. cd. ulic cesta trg nám třída tee puiestee maantee "
            "gatve iela prospekt ring"
        ),
        rf"(?:{CAP}[ -]){{1,3}}(?i:{_STEM}|{_APART})\s+{NUMBER}",
    ),
    _perhaps_named(
        "ring berg hof markt bogen graben stieg bakke rinne winkel grund garten kamp",
        rf"(?:{CAP}[ -]){{0,2}}\b[A-ZÄÖÜ][\w\-]{{2,30}}{_SOFT_STEM}\s+{NUMBER}",
    ),
    _named("út utca tér u.", rf"(?:{CAP}\s)?\b[^\W\d_]{{3,30}}\s(?:út|útja|utca|tér|u\.)\s+\d{{1,4}}\b", _I),
    _named(
        "stra str gasse gatan vägen vei veg katu straat gracht",
        r"\b(?:(?!(?:der|die|das|den|dem|und|the)\s)[^\W\d_]{3,30}\s)?[^\W\d_]{3,30}(?:stra(?:ß|ss)e|str|gasse"
        r"|gatan|vägen|veien|vegen|katu|straat"
        r"|gracht)\.?"
        r"\s\d{1,4}\s?[a-z]?\b",
    ),
    _named(
        "am_ _der _den _dem im_ zum_ zur_",
        r"\b(?:Am|An der|An den|Im|In der|In den|Zum|Zur|Unter den|Auf der|Auf dem|Hinter der|Hinter dem"
        r"|Vor dem|Bei der)\s+"
        rf"(?:[a-zäöü]{{2,20}}en\s+)?(?!{_NOT_A_STREET})[A-ZÄÖÜ][\w\-]{{2,30}}\s+\d{{1,3}}\s?[a-z]?(?![\w:%])"
        r"(?!\s(?:Uhr|Jahre|Prozent|Euro|Mal|Tage))",
    ),
    # ul. Miła 53; ул. Ленина, д. 5; Jl. Sudirman No. 12; Gang Kelinci II No. 8
    _named(
        "ul. ul_ al. pl. plac_ jl jalan jln gg. ул пр. пер. просп nám tříd lorong οδός λεωφ bulev aleja",
        rf"{_BEFORE}\s+(?:[^\W\d_][\w.\-]{{0,30}},?\s+){{1,4}}(?:No\.?\s*|nr\s*|д\.\s*)?\d{{1,4}}\s?[a-zа-я]?(?!\w)",
        _I,
    ),
    _named(
        "gang_ strada_ str. lrg. ul_ odos leof cesta ulica",
        rf"{_BEFORE_NAMES}\s+(?:{CAP},?\s+){{1,4}}(?:(?:No\.?|nr\.?)\s*)?\d{{1,4}}\s?[a-z]?(?!\w)",
    ),
    # Hoge Wei 32 St.
    _named(
        "st. street road rd ave",
        rf"(?<!\w)(?:{CAP}\s+){{1,3}}\d{{1,4}}\.?\s+(?:St\.|Street|Road|Rd\.?|Ave(?:nue)?\.?)(?!\w)",
    ),
    # the corner of Fifth and Main
    _named(
        "corner_of",
        r"(?<!\w)(?:the\s+)?corner of\s+[^\n,.?!]{1,40}(?:\.[^\n,.?!]{0,30})?(?:\s+and\s+"
        r"|\s*&\s*)[^\W\d_][^\n,.?!]{1,40}",
        _I,
    ),
    _named(
        "house plot door flat shop h. d.no h_no",
        r"\b(?:house|plot|door|flat|shop|h\.?|d\.?)\s?(?:no|number"
        r"|\#)\.?\s?:?\s?[A-Z]{0,2}[-/]?\d{1,5}(?:[/-]\d{1,4}){0,2}[A-Za-z]?(?!\w)"
        r"(?:,?\s(?:sector|phase|block|street|lane|road)\s[\w-]{1,6})?",
        _I,
    ),
    # Perum Griya Cempaka Blok C4 No. 12; Dusun Krajan RT 01/RW 02
    _named(
        "perum komplek dusun dukuh kampung kp. desa ruko apartemen cluster griya btn kos_",
        rf"\b(?:Perum(?:ahan)?|Komplek|Kompleks|Dusun|Dukuh|Kampung|Kp\.|Desa|Ruko|Apartemen|Cluster|Griya|BTN"
        rf"|Kos)\s+(?:{CAP}\s+){{1,4}}"
        rf"(?:{UNIT},?\s*){{1,4}}",
        _I,
    ),
    # Boxes, flats, military post
    _named(
        "box postfach apartado caixa casella boîte bp kotak",
        r"\b(?:P\.?\s?O\.?\s?Box|Postbox|Postfach|Apartado(?: Postal)?|Caixa Postal|Casella Postale"
        r"|Boîte Postale|BP|Kotak Pos)\s*\d{1,6}\b",
        _I,
    ),
    _named("apo fpo dpo", rf"\b[A-Z]{{3,5}}\s\w{{1,30}},?\s+{_POST}", _I),
    _named("box", rf"\b(?:PSC|Unit|CMR)\s\d{{1,6}},?\s+Box\s\d{{1,6}}(?:,?\s+{_POST})?", _I),
    _named(
        "apt apartment suite ste flat",
        r"\b(?:Apt|Apartment|Suite|Ste|Flat)\.?\s?#?(?:\d{1,5}[A-Za-z]?|[A-Z]\d{0,3})(?!\w)(?<![a-z])",
        _I,
    ),
]
_LED = re.compile(  # where somebody says that an address follows, a number and names are enough, or a street
    rf"(?:[A-Z]-)?\d{{1,6}}(?:[/-]\d{{1,4}})?[a-zA-Z]?,?\s+{CAP}(?:\s{CAP}){{0,3}}"
    rf"|(?:the )?(?:(?:north|south|east|west) side of )?(?:{SMALL})?{CAP}(?:\s(?:{SMALL})?{CAP}){{0,3}},?"
    r"\s\d{1,5}(?:[/-]\d{1,4})?[a-z]?(?![\w:%])"
    rf"|(?:{_FRENCH}|{_ROMANCE}|{_BEFORE_NAMES}|{_BEFORE})\s+(?:{SMALL}){{0,2}}{CAP}(?:[ -](?:{SMALL})?{CAP}){{0,3}}"
    rf"|(?:{CAP}\s){{1,3}}{_PLAIN}\b"
    rf"|\d{{1,6}}(?:[/-]\d{{1,4}})?[a-z]?\s+(?P<words>(?:{WORD}\s+){{0,2}}{WORD})(?=\s*(?:$|[.,!?\n)]|and\b"
    rf"|but\b|in\b|if\b|\d{{5,6}}\b))",
)
_LEADS = re.compile(
    r"\b(?:at|to|on|is|are|in|em|na|no|en|au|der|am|im|di|by|from|address|addresses|adresse|endereço|dirección"
    r"|alamat|habite|sur"
    r"|ke)(?::|,)?\s{1,2}(?=\S)|address(?:es)?:\s{1,2}",
    _I,
)
# Numbers that are clearly amounts of something do not begin or end an address.
NUMBERED = re.compile(
    r"(?<![\w.,$€£:+])(?!(?:1[89]|20)\d\d\b)\d{1,6}[A-Za-z]?(?![\w%:]|[.,]\d|\s?(?i:years?|people|times|hours?"
    r"|minutes?|days?|weeks?|months?|million|billion|thousand|percent|miles?|feet|points?|games?|am|pm|of"
    r"|dollars?|pounds|seconds?"
    r"|episodes?|seasons?|kids|movies|books|inches|degrees)\b)"
    r"|(?<![\w.,$€£:+])(?:1[89]|20)\d\d,?\s[A-Z][a-z]|[A-Z][\w'.]{2,30}\s(?:1[89]|20)\d\d\b"
)


# One of these stands in every lead.
_LEAD_SIGNS = (
    *("live", "living", "stay", "resid", "move", "moving", "park", "wait", "locat", "situat", "party", "meet", "stop"),
    *(
        "arrive",
        "office",
        "address",
        "adresse",
        "home is",
        "house is",
        "m at",
        "re at",
        "m now at",
        "m home at",
        "come",
    ),
    *(
        "came",
        "drive",
        "go ",
        "deliver",
        "sen",
        "ship",
        "mail",
        "return",
        "post",
        "bring",
        "forward",
        "pick me up",
        "drop",
    ),
    *(
        "enter on",
        "corner",
        "mor",
        "viv",
        "endere",
        "direcc",
        "domic",
        "habit",
        "wohn",
        "tinggal",
        "rumah",
        "alamat",
        "kirim",
    ),
)
_DIGITS = re.compile(r"\d+")


def streets(text: str) -> Iterator[Street]:
    """Cores of addresses in a text, in no order; they may overlap."""
    lowered = text.lower()
    for number in _DIGITS.finditer(text):
        start = number.start() - 2 * (text[number.start() - 1 : number.start()] == "-" and number.start() > 1)
        for pattern, sure in _NUMBER_FIRST:
            match = pattern.match(text, start) or (
                pattern.match(text, number.start()) if start < number.start() else None
            )
            # 10 people on the street
            if match and (
                "words" not in pattern.groupindex or HERE_AND_THERE.isdisjoint(match["words"].lower().split())
            ):
                yield Street(match.start(), match.end(), sure)
    for pattern, sure, signs in _NAME_FIRST:
        if any(sign in lowered for sign in signs):
            for match in pattern.finditer(text):
                yield Street(match.start(), match.end(), sure)
    for lead in _LEADS.finditer(text) if any(sign in lowered for sign in _LEAD_SIGNS) else ():
        if LEAD.search(text, max(0, lead.end() - 50), lead.end()):
            core = _LED.match(text, lead.end())
            if core and HERE_AND_THERE.isdisjoint((core["words"] or "").lower().split()):
                yield Street(core.start(), core.end(), True)
