"""In a checkout, the public names of ``local.double``; the package that ``make dist`` builds has the double here."""
