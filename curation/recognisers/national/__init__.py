"""Numbers that states give people, a file for each country of the sample's locales."""

from curation.recognisers.national.brazil import brazilian_numbers
from curation.recognisers.national.britain import british_numbers
from curation.recognisers.national.france import french_numbers
from curation.recognisers.national.germany import german_numbers
from curation.recognisers.national.india import indian_numbers
from curation.recognisers.national.indonesia import indonesian_numbers
from curation.recognisers.national.japan import japanese_numbers
from curation.recognisers.national.korea import korean_numbers
from curation.recognisers.national.mexico import mexican_numbers
from curation.recognisers.national.united_states import american_numbers

NATIONAL = (
    american_numbers,
    british_numbers,
    indian_numbers,
    brazilian_numbers,
    mexican_numbers,
    french_numbers,
    german_numbers,
    japanese_numbers,
    korean_numbers,
    indonesian_numbers,
)
