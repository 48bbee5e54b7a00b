# reconcile is killed in the middle, and another takes it up: nothing is missing, nothing is there twice.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $customers = 50_000;
my $node = PostgreSQL::Test::Cluster->new('reconcile');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\nautovacuum = off");
$node->start;

$node->safe_psql('postgres', qq{
	CREATE EXTENSION contact_sync;
	CREATE TABLE customers (id uuid DEFAULT gen_random_uuid() PRIMARY KEY, phone varchar(20), whatsapp varchar(20));
	SELECT * FROM contact_sync.attach('customers');
	SELECT * FROM contact_sync.disable('customers');
	INSERT INTO customers (phone, whatsapp)
		SELECT '07' || i, CASE WHEN i % 2 = 0 THEN '08' || i END FROM generate_series(1, $customers) AS i;
});
my $expected = $customers * 3.5;    # preferences, sms and phone_call for each, whatsapp for every other
my $written = q{SELECT (SELECT count(*) FROM contact_preferences) + (SELECT count(*) FROM contact_methods)};

# Killed when a quarter is committed; there are 75 batches still to come.
my ($in, $out, $err) = ('', '', '');
my $run = IPC::Run::start [ 'psql', '-X', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \$err,
  IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default);
$in = "SELECT 'pid ' || pg_backend_pid() || '.';\n";
$run->pump until $out =~ /pid (\d+)\./;
my ($pid) = $out =~ /pid (\d+)\./;
$in .= "CALL contact_sync.reconcile('customers', 500);\n";
$run->pump_nb;
$node->poll_query_until('postgres', "SELECT count(*) > $customers / 4 FROM contact_preferences")
  or die 'reconcile did not get anywhere';
kill 'KILL', $pid;
$in .= "\\q\n";
$run->finish;
like($err, qr/server closed the connection unexpectedly|connection to server was lost/, 'the backend was killed');
$node->poll_query_until('postgres', 'SELECT true') or die 'the server did not come back';

my $done = $node->safe_psql('postgres', $written);
cmp_ok($done, '>', 0, 'what it had committed is there');
cmp_ok($done, '<', $expected, 'and not all of it');
is($node->safe_psql('postgres', q{SELECT count(DISTINCT customer) FROM contact_sync.drift('customers')}),
	$customers - $node->safe_psql('postgres', 'SELECT count(*) FROM contact_preferences'),
	'a customer is done or not done, never in part');
$node->safe_psql('postgres', 'CREATE TABLE before AS SELECT xmin::text AS version, id FROM contact_methods');

(undef, undef, $err) = $node->psql('postgres', "CALL contact_sync.reconcile('customers', 5000)");
my ($looked, $rows, $failed, $skipped) =
  $err =~ /(\d+) customers looked at: (\d+) contact rows written, (\d+) failed, (\d+) skipped/;
is($looked, $customers, 'the next run looks at all customers');
is($rows, $expected - $done, 'and writes what was missing');
is("$failed, $skipped", '0, 0', 'nothing failed, nothing was skipped');
is($node->safe_psql('postgres', $written), $expected, 'all is there, and nothing twice');
is($node->safe_psql('postgres', q{SELECT count(*) FROM contact_sync.drift('customers')}), '0', 'nothing drifts');
is( $node->safe_psql('postgres',
		'SELECT count(*) FROM before b JOIN contact_methods m USING (id) WHERE m.xmin::text = b.version'),
	$node->safe_psql('postgres', 'SELECT count(*) FROM before'),
	'what was right was not written again');
is($node->safe_psql('postgres', 'SELECT count(*) FROM contact_sync.failures'), '0', 'no failures');

done_testing();
