# A streaming standby is promoted in the middle of a load: what it has of the customers it has of their contact data,
# the triggers work there as on the primary, and a standby can tell what drifts before it is promoted.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', 'autovacuum = off');
$primary->start;
$primary->safe_psql('postgres', q{
	SET client_min_messages = warning;
	CREATE EXTENSION contact_sync;
	CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, phone varchar(20), whatsapp varchar(20));
	SELECT * FROM contact_sync.attach('customers');
	INSERT INTO customers (phone) SELECT i FROM generate_series(1, 1000) AS i;
});
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

my $drift = q{SELECT count(*) FROM contact_sync.drift('customers')};
my $state = q{SELECT (SELECT md5(string_agg(c::text, ',' ORDER BY id)) FROM customers c),
	(SELECT md5(string_agg(m::text, ',' ORDER BY id)) FROM contact_methods m)};

# On a standby: reading works, writing is refused.
$primary->safe_psql('postgres', q{
	SET session_replication_role = replica;
	UPDATE customers SET phone = 'drifts' WHERE id = 1;
});
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $drift), 2, 'a standby tells what drifts');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM contact_sync.verify('customers') WHERE status <> 'ok'}),
	$primary->safe_psql('postgres', q{SELECT count(*) FROM contact_sync.verify('customers') WHERE status <> 'ok'}),
	'and verifies as the primary does');
my ($status, $out, $err) = $standby->psql('postgres', q{CALL contact_sync.reconcile('customers')});
like($err, qr/read-only transaction|during recovery/, 'it does not reconcile');
$primary->safe_psql('postgres', q{SET client_min_messages = warning; CALL contact_sync.reconcile('customers')});

# The load: all kinds of statements, some over many customers, until the standby is promoted.
my $script = $primary->basedir . '/load.sql';
append_to_file($script, q{
	\set id random(1, 1000)
	\set to random(1, 1000000)
	INSERT INTO customers (phone, whatsapp) VALUES (:to, nullif(:to % 3, 0));
	UPDATE customers SET phone = :to WHERE id = :id;
	UPDATE customers SET whatsapp = :to WHERE id BETWEEN :id AND :id + 50 AND id % 7 = 0 AND pg_try_advisory_xact_lock(1);
	DELETE FROM customers WHERE id = :id + 1000;
});
my $load = IPC::Run::start [ 'pgbench', '-n', '-c', 4, '-T', 600, '-f', $script, $primary->connstr('postgres') ],
  '>', \my $said, '2>', \my $complained;
$standby->poll_query_until('postgres', q{SELECT count(*) > 1200 FROM customers})
  or die "the load does not run: $complained";
my $before = $standby->safe_psql('postgres', $state);
$standby->promote;
isnt($standby->safe_psql('postgres', $state), $before, 'the load went on until the standby was promoted');
$load->signal('TERM');
$load->finish;

is($standby->safe_psql('postgres', $drift), 0, 'what the standby has of the customers it has of their contact data');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM contact_sync.failures'), 0, 'nothing failed');
$standby->safe_psql('postgres', q{
	INSERT INTO customers (phone) VALUES ('new');
	UPDATE customers SET phone = 'promoted ' || id WHERE id < 10;
});
is($standby->safe_psql('postgres', q{SELECT count(*) FROM contact_methods WHERE phone_number ~ 'promoted|new'}), 21,
	'its triggers work');
is($standby->safe_psql('postgres', $drift), 0, 'and keep customers and contact data in step');

$standby->stop;
$primary->stop;
done_testing();
