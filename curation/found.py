"""What a recogniser gives, and the words that several of them go by."""

from __future__ import annotations

import re
from typing import NamedTuple


class Found(NamedTuple):
    """Something personal in a text.

    Attributes:
        start, end: Characters, half open.
        type: Kind of data, as it stands in the placeholder.
        score: Confidence, 0 to 1; the recipe's `min_score` is held against it.
        recogniser: Name of what found it.
    """

    start: int
    end: int
    type: str
    score: float
    recogniser: str = ""


def words(text: str) -> frozenset[str]:
    """Words of a text, for looking up."""
    return frozenset(text.split())


def any_of(text: str) -> str:
    """A pattern for any of the patterns in a text, which white space divides."""
    return "(?:" + "|".join(text.split()) + ")"


# Where what somebody says of themselves is over.
CLAUSE_END = re.compile(r"\s*(?:$|[,.;:!?)\n…~]|(?:and|but|btw|here|from|if|y|e|et|und|ed|dan)\b)", re.IGNORECASE)

# Score of a name that its owner gave: sure enough to be looked for in the rest of the conversation.
INTRODUCED = 0.95

# What follows "I'm", "soy", "ich bin" and is no name.
NOT_A_NAME = words(
    """
    abt ngl tbh irl tho idk imo smh fr bc rn u ur n welp yaar wkwk guys y'all
    a an the so not just very really too also still all always never now here there back home in on at out off
    up down with from for about of to and or but if as is am are was were be been being do does did done have
    has had going gonna doing getting trying looking thinking feeling good great fine ok okay well better best
    bad sad happy glad sorry sure tired bored hungry thirsty sick ill alone lonely single married divorced taken
    free busy ready late early lost new old young older younger big small tall short fat thin hot cold warm cool
    weird shy nice kind mean mad angry upset scared afraid nervous anxious stressed excited curious confused
    surprised serious kidding software joking lying dead alive awake asleep drunk sober high broke rich poor blind deaf
    mute gay bi straight trans lesbian asexual queer nonbinary male female man woman boy girl guy dude person
    human robot bot ai teen kid mom dad mum mother father parent student teacher nurse doctor lawyer engineer
    writer artist gamer musician vegan vegetarian religious christian catholic muslim jewish buddhist atheist
    agnostic american british english irish scottish welsh german french spanish italian portuguese brazilian
    mexican canadian australian chinese japanese korean indian russian polish dutch swedish norwegian danish
    finnish greek turkish indonesian filipino vietnamese thai asian european african black white latina latino
    latin native yours mine his hers theirs me you him her us them it this that these those what who where when
    why how which more most less least much many some any no none one two three four five six seven eight nine
    ten first last next only even ever again soon today tonight tomorrow maybe later crazy yes yeah yep nope nah
    hi hey hello bye thanks thank please lol haha omg wow aww oh um hmm right wrong true false same different
    interested available impressed obsessed addicted allergic able unable willing used born raised based located
    currently actually probably definitely basically literally honestly totally absolutely pretty quite kinda
    sorta almost nearly completely like love hate let can could will would should may might must god king queen
    prince princess boss master daddy mommy baby babe bro sis friend enemy fan team member captain sir madam
    miss i im i'm i'd i've my your our their its we they she he anyone everyone nobody somebody someone
    everything nothing something unknown private secret full open closed empty dirty clean safe fun funny silly
    stupid dumb smart clever insane normal strange perfect amazing awesome terrible horrible awful familiar
    aware certain clueless speechless hopeless careful grateful proud jealous lazy sleepy horny cute ugly
    beautiful handsome into monday tuesday wednesday thursday friday saturday sunday january february march
    april june july august september october november december
    """
) | words(
    """
    un una uno o os as el la los las le les de du des em en mais muito mucho muy très sehr molto nicht non no
    não auch noch schon hier da so zu aus im am der die das ein eine einen aqui aquí ici qui ja doch eher mehr
    müde krank allein fertig bereit froh traurig student studentin lehrer lehrerin arzt ärztin schüler schülerin
    deutscher deutsche österreicher schweizer italiener franzose türke türkin amerikaner vegetarier vegetarierin
    single mutter vater mann frau mädchen junge mensch fan freund freundin ingenieur künstler anfänger gamer
    programmierer brasileiro brasileira mexicano mexicana español española argentino argentina italiano italiana
    studente estudante estudiante étudiant étudiante français française sola solo mama papa saya aku kamu dia
    ini itu tidak bukan juga sedang akan sudah masih mau suka bisa orang anak siapa apa yang dari di ke dan kita
    mereka
    """
)
