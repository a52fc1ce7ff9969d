-- Which servers run a system whose standard support has ended by today? Truncated summaries are left out.
-- A row matches the words of agents ("Red Hat Enterprise Linux Server release 7.9 (Maipo)") and the names of VMware
-- guests ("Red Hat Enterprise Linux 7 (64-bit)"). Not found: names without a version ("Ubuntu Linux (64-bit)",
-- "CentOS 4/5 or later (64-bit)") and systems that are not in this list. Extend it as you need.
-- If a vendor gives a month, the date is its last day. Paid extensions of support do not count.
WITH systems (name, version, support_ended) AS (
    VALUES
        -- Extended support: https://learn.microsoft.com/lifecycle/products/?terms=Windows%20Server
        ('Windows Server', '2003', DATE '2015-07-14'),
        ('Windows Server', '2008', DATE '2020-01-14'),
        ('Windows Server', '2012', DATE '2023-10-10'),
        ('Windows Server', '2016', DATE '2027-01-12'),
        -- Maintenance support: https://access.redhat.com/support/policy/updates/errata
        ('Red Hat Enterprise Linux', '4', DATE '2012-02-29'),
        ('Red Hat Enterprise Linux', '5', DATE '2017-03-31'),
        ('Red Hat Enterprise Linux', '6', DATE '2020-11-30'),
        ('Red Hat Enterprise Linux', '7', DATE '2024-06-30'),
        ('Red Hat Enterprise Linux', '8', DATE '2029-05-31'),
        -- https://www.centos.org/centos-linux-eol and https://wiki.centos.org/About/Product
        -- A name of several versions has the date of the last of them.
        ('CentOS', '5', DATE '2017-03-31'),
        ('CentOS', '6', DATE '2020-11-30'),
        ('CentOS', '4/5/6', DATE '2020-11-30'),
        ('CentOS', '7', DATE '2024-06-30'),
        ('CentOS', '4/5/6/7', DATE '2024-06-30'),
        ('CentOS', '8', DATE '2021-12-31'),
        ('CentOS Stream', '8', DATE '2024-05-31'),
        -- Premier support: https://www.oracle.com/a/ocom/docs/elsp-lifetime-069338.pdf
        ('Oracle Linux', '5', DATE '2017-06-30'),
        ('Oracle Linux', '6', DATE '2021-03-31'),
        ('Oracle Linux', '4/5/6', DATE '2021-03-31'),
        ('Oracle Linux', '7', DATE '2024-12-31'),
        ('Oracle Linux', '4/5/6/7', DATE '2024-12-31'),
        -- General support of the last service pack: https://www.suse.com/lifecycle
        ('SUSE Linux Enterprise', '11', DATE '2019-03-31'),
        ('SUSE Linux Enterprise', '12', DATE '2024-10-31'),
        -- Standard security maintenance: https://ubuntu.com/about/release-cycle
        ('Ubuntu', '14.04', DATE '2019-04-30'),
        ('Ubuntu', '16.04', DATE '2021-04-30'),
        ('Ubuntu', '18.04', DATE '2023-05-31'),
        ('Ubuntu', '20.04', DATE '2025-05-31'),
        -- Long term support: https://wiki.debian.org/DebianReleases
        ('Debian', '8', DATE '2020-06-30'),
        ('Debian', '9', DATE '2022-06-30'),
        ('Debian', '10', DATE '2024-06-30'),
        ('Debian', '11', DATE '2026-08-31'),
        -- https://aws.amazon.com/amazon-linux-ami/faqs and https://aws.amazon.com/amazon-linux-2/faqs
        ('Amazon Linux AMI', '2018.03', DATE '2023-12-31'),
        ('Amazon Linux', '2', DATE '2026-06-30')
),
newest AS (
    SELECT exportid FROM exports
    WHERE kind = 'summary' AND NOT istruncated
    ORDER BY exportrequesttime DESC, exportid DESC LIMIT 1
),
servers AS (
    SELECT id, hostname, osname, osversion, coalesce(osname, '') || ' ' || coalesce(osversion, '') || ' ' AS words
    FROM summary_server
    WHERE export_id IN (SELECT exportid FROM newest)
)
SELECT id, hostname, osname, osversion, max(support_ended) AS support_ended
FROM servers
JOIN systems ON words LIKE '%' || name || '% ' || version || ' %' OR words LIKE '%' || name || '% ' || version || '.%'
WHERE words NOT LIKE '% or later %'
GROUP BY id, hostname, osname, osversion
HAVING max(support_ended) < current_date
ORDER BY support_ended, id
