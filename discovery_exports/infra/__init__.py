"""In a checkout, the public names of ``infra``; the package that ``make dist`` builds has all of ``infra`` here."""
