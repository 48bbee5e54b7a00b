# No room is left for the contact tables: the customers' statements succeed, and what is missing is on record.  With room
# again, reconcile brings everything in step.
#
# The disk is the small file system that CONTACT_SYNC_SMALL_DISK names (scripts/test mounts one where it may), or else a
# limit to the size of files, under which the contact tables' files can grow no further.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $disk = $ENV{CONTACT_SYNC_SMALL_DISK};
my $node = PostgreSQL::Test::Cluster->new('disk');
$node->init;
$node->append_conf('postgresql.conf', "client_min_messages = error\nautovacuum = off");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION contact_sync;
	CREATE TABLE customers (id bigint PRIMARY KEY, phone varchar(20), whatsapp varchar(20));
	SELECT * FROM contact_sync.attach('customers');
	-- so that a row fills a page
	ALTER TABLE contact_methods ADD COLUMN room char(4000) DEFAULT 'room', ALTER COLUMN room SET STORAGE PLAIN;
});

my $full;
if ($disk)
{
	mkdir "$disk/contacts" or die "$disk: $!";
	$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$disk/contacts'");
	$node->safe_psql('postgres', 'ALTER TABLE contact_methods SET TABLESPACE small');
	$full = '53100';
}
else
{
	# Segments of the log of transactions are 16 MB and must have room; EFBIG has no SQLSTATE of its own.
	$node->stop;
	system_or_bail('bash', '-c', 'ulimit -f 20480 && exec "$@"', 'bash', 'pg_ctl', '-w', '-D', $node->data_dir,
		'-l', $node->logfile, 'start');
	$node->_update_pid(1);
	$full = 'XX000';
}
note $disk ? "a disk at $disk" : 'files of 20 MB at most';

my $drift = q{SELECT count(DISTINCT customer) FROM contact_sync.drift('customers')};
my $not_recorded = q{SELECT count(*) FROM contact_sync.drift('customers') d
	WHERE NOT EXISTS (SELECT FROM contact_sync.failures f WHERE f.customer = d.customer)};
my $states = q{SELECT string_agg(DISTINCT sqlstate, ' ') FROM contact_sync.failures};

# Many statements, in many transactions, until it is full; and one of many rows
my $inserted = 0;
while ($node->safe_psql('postgres', 'SELECT count(*) FROM contact_sync.failures') eq '0')
{
	$inserted += 500;
	die 'the disk does not get full' if $inserted > 20_000;
	my ($from, $to) = ($inserted - 499, $inserted);
	$node->safe_psql('postgres', join ';', map { "INSERT INTO customers VALUES ($_, '07$_', '08$_')" } $from .. $to);
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM customers'), $inserted, 'every customer is saved');
cmp_ok($node->safe_psql('postgres', $drift), '>', 0, 'the last ones have no methods');
is($node->safe_psql('postgres', $not_recorded), 0, 'and are on record');
is($node->safe_psql('postgres', $states), $full, 'for want of room');

$node->safe_psql('postgres', q{
	INSERT INTO customers SELECT i, '07' || i, '08' || i FROM generate_series(100001, 103000) AS i;
	UPDATE customers SET phone = phone || '0' WHERE id <= 1000;
});
is($node->safe_psql('postgres', 'SELECT count(*) FROM customers'), $inserted + 3000, 'statements of many rows succeed');
is($node->safe_psql('postgres', q{SELECT count(*) FROM customers WHERE phone ~ '^07.*0$' AND id <= 1000
	AND phone = '07' || id || '0'}), 1000, 'and are saved');
is($node->safe_psql('postgres', $not_recorded), 0, 'what is missing is on record');
is($node->safe_psql('postgres', $states), $full, 'for want of room');
my ($status, $out, $err) = $node->psql('postgres', q{CALL contact_sync.reconcile('customers')});
is($status, 3, 'reconcile says that it cannot');
like($err, qr/could not extend file/, 'and why');
is($node->safe_psql('postgres', $not_recorded), 0, 'and forgets nothing');

# With room again
if ($disk)
{
	$node->safe_psql('postgres', 'ALTER TABLE contact_methods SET TABLESPACE pg_default');
}
else
{
	$node->restart;
}
$node->safe_psql('postgres', q{CALL contact_sync.reconcile('customers')});
is($node->safe_psql('postgres', $drift), 0, 'with room again reconcile brings everything in step');
is($node->safe_psql('postgres', 'SELECT count(*) FROM contact_sync.failures'), 0, 'and no failures wait');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|server process .* was terminated/, 'nothing crashed');

if ($disk)
{
	$node->safe_psql('postgres', 'CHECKPOINT; DROP TABLESPACE small');
	rmdir "$disk/contacts" or die "$disk: $!";
}
$node->stop;
done_testing();
