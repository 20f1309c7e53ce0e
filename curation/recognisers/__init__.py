"""What finds personal data without a model: each recogniser is a function from a text to findings."""

from curation.recognisers.addresses import addresses
from curation.recognisers.contacts import emails, handles, links, numbers
from curation.recognisers.introductions import introductions

FINDERS = (emails, links, handles, numbers, addresses, introductions)
