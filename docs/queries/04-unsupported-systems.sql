-- Which servers run a system whose standard support has ended by today? Truncated summaries are left out.
-- osname and osversion are compared each for itself, because one of them often is the version of the kernel:
--   Linux - Red Hat Enterprise Linux Server release 7.9 (Maipo) | 3.10.0-1160.el7.x86_64
--   Linux | Red Hat Enterprise Linux Server release 7.9 (Maipo)
--   WindowsOS - Microsoft Windows Server 2012 R2 Standard | 6.3.9600
--   Red Hat Enterprise Linux 7 (64-bit) | null, as VMware names its guests
-- They are also read together (Ubuntu | 18.04) if osname has no digits and osversion is not the version of a kernel.
-- Not found: names without a version ("Ubuntu Linux (64-bit)", "CentOS 4/5 or later (64-bit)") and systems that are not
-- in this list. Extend it as you need: a version may contain the wildcards of LIKE.
-- If a vendor gives a month, the date is its last day. Paid extensions of support do not count.
WITH systems (name, version, support_ended) AS (
    VALUES
        -- Extended support: https://learn.microsoft.com/lifecycle/products/?products=windows
        ('Windows', '2000', DATE '2010-07-13'),
        ('Microsoft Windows', 'XP', DATE '2014-04-08'),
        ('Windows', '2003', DATE '2015-07-14'),
        ('Microsoft Windows', 'Vista', DATE '2017-04-11'),
        ('Microsoft Windows', '7', DATE '2020-01-14'),
        ('Windows', '2008', DATE '2020-01-14'),
        ('Microsoft Windows', '8', DATE '2023-01-10'),
        ('Windows', '2012', DATE '2023-10-10'),
        ('Windows', '2016', DATE '2027-01-12'),
        ('Windows', '2019', DATE '2029-01-09'),
        -- Maintenance support: https://access.redhat.com/support/policy/updates/errata
        ('Red Hat Enterprise Linux', '3', DATE '2010-10-31'),
        ('Red Hat Enterprise Linux', '4', DATE '2012-02-29'),
        ('Red Hat Enterprise Linux', '5', DATE '2017-03-31'),
        ('Red Hat Enterprise Linux', '6', DATE '2020-11-30'),
        ('Red Hat Enterprise Linux', '7', DATE '2024-06-30'),
        ('Red Hat Enterprise Linux', '8', DATE '2029-05-31'),
        -- https://www.centos.org/centos-linux-eol and https://wiki.centos.org/About/Product
        -- A name of several versions has the date of the last of them.
        ('CentOS', '4', DATE '2012-02-29'),
        ('CentOS', '5', DATE '2017-03-31'),
        ('CentOS', '4/5', DATE '2017-03-31'),
        ('CentOS', '6', DATE '2020-11-30'),
        ('CentOS', '4/5/6', DATE '2020-11-30'),
        ('CentOS', '7', DATE '2024-06-30'),
        ('CentOS', '4/5/6/7', DATE '2024-06-30'),
        ('CentOS', '8', DATE '2021-12-31'),
        ('CentOS Stream', '8', DATE '2024-05-31'),
        ('CentOS', '9', DATE '2027-05-31'),
        -- Premier support: https://www.oracle.com/a/ocom/docs/elsp-lifetime-069338.pdf
        ('Oracle Linux', '4', DATE '2013-02-28'),
        ('Oracle Linux', '5', DATE '2017-06-30'),
        ('Oracle Linux', '4/5', DATE '2017-06-30'),
        ('Oracle Linux', '6', DATE '2021-03-31'),
        ('Oracle Linux', '4/5/6', DATE '2021-03-31'),
        ('Oracle Linux', '7', DATE '2024-12-31'),
        ('Oracle Linux', '4/5/6/7', DATE '2024-12-31'),
        ('Oracle Linux', '8', DATE '2029-07-31'),
        -- General support, up to version 12 of the last service pack: https://www.suse.com/lifecycle
        -- A service pack of version 15 ends six months after the next one:
        -- https://documentation.suse.com/sles/15-SP6/html/SLES-all/cha-upgrade-background.html
        ('SUSE', '10', DATE '2013-07-31'),
        ('SUSE', '11', DATE '2019-03-31'),
        ('SUSE', '12', DATE '2024-10-31'),
        ('SUSE', '15 SP1', DATE '2021-01-31'),
        ('SUSE', '15 SP2', DATE '2021-12-31'),
        ('SUSE', '15 SP3', DATE '2022-12-31'),
        ('SUSE', '15 SP4', DATE '2023-12-31'),
        ('SUSE', '15 SP5', DATE '2024-12-31'),
        ('SUSE', '15 SP6', DATE '2025-12-31'),
        -- Standard security maintenance: https://ubuntu.com/about/release-cycle
        ('Ubuntu', '10.04', DATE '2015-04-30'),
        ('Ubuntu', '12.04', DATE '2017-04-28'),
        ('Ubuntu', '14.04', DATE '2019-04-30'),
        ('Ubuntu', '16.04', DATE '2021-04-30'),
        ('Ubuntu', '18.04', DATE '2023-05-31'),
        ('Ubuntu', '20.04', DATE '2025-05-31'),
        ('Ubuntu', '22.04', DATE '2027-06-01'),
        -- Long term support: https://wiki.debian.org/DebianReleases
        ('Debian', '6', DATE '2016-02-29'),
        ('Debian', '7', DATE '2018-05-31'),
        ('Debian', '8', DATE '2020-06-30'),
        ('Debian', '9', DATE '2022-06-30'),
        ('Debian', '10', DATE '2024-06-30'),
        ('Debian', '11', DATE '2026-08-31'),
        ('Debian', '12', DATE '2028-06-30'),
        -- https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/amazon-linux-ami-basics.html,
        -- https://aws.amazon.com/amazon-linux-2/faqs, https://docs.aws.amazon.com/linux/al2023/ug/release-cadence.html
        ('Amazon Linux AMI', '20__.__', DATE '2023-12-31'),
        ('Amazon Linux', '2', DATE '2026-06-30'),
        ('Amazon Linux', '2023', DATE '2029-06-30')
),
newest AS (
    SELECT exportid FROM exports
    WHERE kind = 'summary' AND NOT istruncated
    ORDER BY exportrequesttime DESC, exportid DESC LIMIT 1
),
servers AS (
    SELECT id, hostname, osname, osversion FROM summary_server
    WHERE export_id IN (SELECT exportid FROM newest)
),
texts AS (
    SELECT *, osname AS text FROM servers
    UNION ALL
    SELECT *, osversion FROM servers
    UNION ALL
    SELECT *, osname || ' ' || osversion FROM servers
    WHERE osname = translate(osname, '0123456789', '') AND osversion NOT LIKE '%-%'
),
words AS (
    SELECT *, ' ' || translate(text, '",', '  ') || ' ' AS words FROM texts
)
SELECT id, hostname, osname, osversion, max(support_ended) AS support_ended
FROM words
JOIN systems ON words LIKE '% ' || name || '% ' || version || ' %' OR words LIKE '% ' || name || '% ' || version || '.%'
WHERE words NOT LIKE '% or later %'
GROUP BY id, hostname, osname, osversion
HAVING max(support_ended) < current_date
ORDER BY support_ended, id
