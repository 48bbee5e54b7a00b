# contact_sync.lock_timeout under load: two to sixteen sessions that lock customers and contact rows in every order.  No
# statement on customers becomes the victim of a deadlock through contact rows, and each session's own lock_timeout and
# deadlock_timeout are always what they were.
#
# What sessions do to each other without contact sync is not at stake: they lock customers in the order of their ids, and
# by hand no more than one contact row, before any customer.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TestModule;

my $transactions = $ENV{CONTACT_SYNC_SLOW} ? 2000 : 60;
my $node = PostgreSQL::Test::Cluster->new('locks');
$node->init;
# So long that only who really waits for each other ever looks.
$node->append_conf('postgresql.conf', q{
deadlock_timeout = '3s'
contact_sync.lock_timeout = '20ms'
client_min_messages = error
});
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION contact_sync;
	CREATE TABLE customers (id bigint PRIMARY KEY, phone varchar(20), whatsapp varchar(20));
	SELECT * FROM contact_sync.attach('customers');
	INSERT INTO customers SELECT i, i, 'w' || i FROM generate_series(1, 6) AS i;
	CREATE FUNCTION as_it_was() RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		IF current_setting('lock_timeout') <> '777s' OR current_setting('deadlock_timeout') <> '3s' THEN
			RAISE 'lock_timeout % deadlock_timeout %', current_setting('lock_timeout'), current_setting('deadlock_timeout');
		END IF;
		RETURN 'as it was';
	END
	$$;
});

# With log_lock_waits the client's own waits are logged, those of the sync are not: each would be.
my $holder = $node->background_psql('postgres');
$holder->query_safe(q{BEGIN; SELECT FROM contact_methods WHERE customer_id = 1 AND method_type = 'sms' FOR UPDATE;});
my $waits = q{SET log_lock_waits = on; SET deadlock_timeout = '10ms'; SET contact_sync.lock_timeout = '200ms';};
my $start = -s $node->logfile;
$node->safe_psql('postgres', "$waits UPDATE customers SET phone = 'waited' WHERE id = 1;");
my $said = slurp_file($node->logfile, $start);
like($said, qr/canceling statement due to lock timeout/, 'a wait of the sync');
unlike($said, qr/still waiting for/, 'is not logged as such');
$node->psql('postgres', "$waits SET lock_timeout = '200ms'; UPDATE contact_methods SET phone_number = '' WHERE customer_id = 1;");
like(slurp_file($node->logfile, $start), qr/still waiting for/, 'one of the client is');
$holder->query_safe('ROLLBACK');
$holder->quit;

# a < b, and any other one
my $numbers = q{
	\set a random(1, 5)
	\set b random(:a + 1, 6)
	\set any random(1, 6)
	\set n random(1, 1000000)
	\set new :n + 1000000 * (:client_id + 1)
};
my $contact = q{UPDATE contact_methods SET phone_number = :n WHERE customer_id =};
my $customer = q{UPDATE customers SET phone = :n, whatsapp = :n % 7 WHERE id =};
my $end = q{SELECT as_it_was(); COMMIT; SELECT as_it_was();};
my %scripts = (
	# customers alone, each with its contact rows by the sync
	customers => "$customer :a; $customer :b;",
	many => "SELECT FROM customers WHERE id >= :a ORDER BY id FOR UPDATE; UPDATE customers SET phone = :n WHERE id >= :a;",
	# first contact rows, then customers: of the same customer, of others before and after it
	same => "$contact :any AND method_type = 'sms'; $customer :any;",
	before => "$contact :b AND method_type = 'sms'; $customer :a;",
	after => "$contact :a AND method_type = 'sms'; $customer :a; $customer :b;",
	around => "$contact :any AND method_type = 'phone_call'; $customer :a; $customer :b;",
	# contact rows alone, held for a while
	contact => "$contact :any AND method_type = 'sms'; SELECT pg_sleep(0.03);",
	locked => 'SELECT FROM contact_methods WHERE customer_id = :any AND method_type = \'whatsapp\' FOR SHARE;
		SELECT pg_sleep(0.005);',
	# an insert and a delete between them
	'new' => "$contact :any AND method_type = 'whatsapp'; INSERT INTO customers VALUES (:new, :n)
		ON CONFLICT (id) DO UPDATE SET phone = excluded.phone; DELETE FROM customers WHERE id = :new;");

for my $run (map { my $level = $_; map { [ $level, $_ ] } 2, 4, 8, 16 } 'statement', 'row')
{
	my ($level, $sessions) = @$run;
	$node->safe_psql('postgres', who_acts($level));
	my $t = int($transactions * 4 / $sessions);
	local $ENV{PGOPTIONS} = '-c lock_timeout=777s';
	$node->pgbench("-n -c $sessions -j 2 -t $t", 0,
		[ qr/number of failed transactions: 0 /, qr/actually processed: ${\($t * $sessions)}\/${\($t * $sessions)}/ ],
		[qr/^(?!.*(?:ERROR|aborted|PANIC|FATAL))/s], "FOR EACH $level, $sessions sessions",
		{ map { ("055_${_}_${level}_$sessions" => "$numbers BEGIN; $scripts{$_} $end") } keys %scripts });
}

my $log = slurp_file($node->logfile);
unlike($log, qr/ERROR:  deadlock detected/, 'nobody was the victim of a deadlock');
unlike($log, qr/could not record/, 'every failure could be recorded');
my $gave_up = qr/WARNING:  update_contact_methods\(\) failed for customer \d+ of table "public.customers": /;
like($log, qr/${gave_up}deadlock detected/, 'contact sync gave way: as it closed the circle,');
like($log, qr/${gave_up}canceling statement due to lock timeout/, 'or by its time-out');
is($node->safe_psql('postgres', q{SELECT count(*) FROM contact_sync.failures WHERE sqlstate NOT IN ('40P01', '55P03')}),
	0, 'and failed for no other reason');

$node->safe_psql('postgres', q{CALL contact_sync.reconcile('customers')});
is($node->safe_psql('postgres', q{SELECT count(*) FROM contact_sync.drift('customers')}), 0,
	'reconcile mends the rest');
is($node->safe_psql('postgres', 'SELECT count(*) FROM contact_sync.failures'), 0, 'no failures wait');

$node->stop;
done_testing();
