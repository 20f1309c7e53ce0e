"""What finds personal data without a model: each recogniser is a function from text to findings, in its own file.

A recogniser is named by what it finds; its module says by what sign, from which standard, and what it leaves alone.
None needs a model or a language, so they hold for every text. Every pattern has bounded repetitions and each function
looks for a cheap sign first (a digit, an @), because most chat has none.
"""

from curation.recognisers.accounts import accounts
from curation.recognisers.address_blocks import address_blocks
from curation.recognisers.addresses import addresses
from curation.recognisers.asian_addresses import asian_addresses
from curation.recognisers.births import births
from curation.recognisers.cards import cards
from curation.recognisers.documents import documents
from curation.recognisers.handles import handles
from curation.recognisers.introductions import introductions
from curation.recognisers.links import links
from curation.recognisers.machines import machines
from curation.recognisers.mail import emails
from curation.recognisers.national import NATIONAL
from curation.recognisers.phones import phones
from curation.recognisers.postcodes import postcodes
from curation.recognisers.spelt_phones import spelt_phones
from curation.recognisers.wallets import wallets

FINDERS = (
    emails,
    links,
    handles,
    phones,
    spelt_phones,
    cards,
    accounts,
    wallets,
    documents,
    *NATIONAL,
    machines,
    births,
    addresses,
    address_blocks,
    asian_addresses,
    postcodes,
    introductions,
)

# Kinds of data that these find, as they stand in placeholders.
TYPES = (
    "EMAIL_ADDRESS",
    "URL",
    "HANDLE",
    "PHONE_NUMBER",
    "CREDIT_CARD",
    "IBAN_CODE",
    "BANK_ACCOUNT",
    "CRYPTO",
    "SSN",
    "ID_NUMBER",
    "IP_ADDRESS",
    "MAC_ADDRESS",
    "DATE_OF_BIRTH",
    "STREET_ADDRESS",
    "PERSON",
)
