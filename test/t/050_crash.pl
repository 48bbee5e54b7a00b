# The server goes down in the middle of a bulk statement or of reconcile: by an immediate shutdown, by a backend that is
# killed, by a postmaster that is killed.  After recovery customers and contact data agree: the statement never was, of
# reconcile there are whole batches, and both can be run again.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $customers = 2_000;
my $node = PostgreSQL::Test::Cluster->new('crash');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\nautovacuum = off");
$node->start;

$node->safe_psql('postgres', qq{
	SET client_min_messages = warning;
	CREATE EXTENSION contact_sync;
	CREATE TABLE customers (id bigint PRIMARY KEY, phone varchar(20), whatsapp varchar(20));
	SELECT * FROM contact_sync.attach('customers');
	INSERT INTO customers SELECT i, '07' || i, '08' || i FROM generate_series(1, $customers) AS i;
	CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS \$\$
	BEGIN
		IF coalesce(NEW.customer_id, OLD.customer_id) = $customers / 2 AND current_setting('shop.dawdle', true) = 'on' THEN
			PERFORM pg_sleep(600);
		END IF;
		RETURN coalesce(NEW, OLD);
	END
	\$\$;
	CREATE TRIGGER dawdle BEFORE INSERT OR UPDATE OR DELETE ON contact_methods FOR EACH ROW EXECUTE FUNCTION dawdle();
});

# Everything there is, in a line.
my $everything = q{
	SELECT (SELECT md5(string_agg(c::text, ',' ORDER BY id)) FROM customers c),
		(SELECT md5(string_agg(m::text, ',' ORDER BY id)) FROM contact_methods m),
		(SELECT md5(string_agg(p::text, ',' ORDER BY id)) FROM contact_preferences p),
		(SELECT count(*) FROM contact_sync.failures)};
my $drift = q{SELECT count(DISTINCT customer) FROM contact_sync.drift('customers')};
my $drifting_in_part =
  q{SELECT count(*) FROM (SELECT FROM contact_sync.drift('customers') GROUP BY customer HAVING count(*) <> 2) AS part};

my %statement = (
	INSERT => 'INSERT INTO customers SELECT i, i, i FROM generate_series(1, ' . $customers . ') AS i',
	UPDATE => q{UPDATE customers SET phone = id || ' new'},
	'UPDATE to nothing' => q{UPDATE customers SET phone = NULL, whatsapp = NULL},
	DELETE => 'DELETE FROM customers',
	reconcile => q{CALL contact_sync.reconcile('customers', 200)});
my %prepare = (
	INSERT => 'DELETE FROM customers',
	reconcile => q{SELECT * FROM contact_sync.disable('customers');
		UPDATE customers SET phone = id || ' drifts'; SELECT * FROM contact_sync.enable('customers')});

# begin STATEMENT: starts it and waits until it is in the middle; the client and its backend's pid.
sub begin
{
	my ($statement) = @_;
	local $ENV{PGOPTIONS} = '-c shop.dawdle=on -c client_min_messages=error';
	my $client = IPC::Run::start [ 'psql', '-X', '-d', $node->connstr('postgres'), '-c', $statement ],
	  '>', \my $out, '2>', \my $err;
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'})
	  or die "it does not get to the middle: $err";
	return ($client, $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'}));
}

my %crash = (
	'immediate shutdown' => sub {
		$node->stop('immediate');
		$node->start;
	},
	'backend killed' => sub {
		my ($pid) = @_;
		kill 'KILL', $pid;
		$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)")
		  or die 'the server did not come back';
	},
	'postmaster killed' => sub {
		my ($pid) = @_;
		$node->kill9;
		for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
		{
			last unless kill 0, $pid;
			select undef, undef, undef, 0.1;
		}
		$node->start;
	});

for my $way (sort keys %crash)
{
	for my $what (sort keys %statement)
	{
		next if "$what, $way" eq 'reconcile, backend killed';    # 020_reconcile_kill.pl
		my $name = "$what, $way";
		local $ENV{PGOPTIONS} = '-c client_min_messages=warning';
		$node->safe_psql('postgres', $prepare{$what}) if $prepare{$what};
		my $before = $node->safe_psql('postgres', $everything);
		my $drifted = $node->safe_psql('postgres', $drift);

		my ($client, $pid) = begin($statement{$what});
		$crash{$way}->($pid);
		$client->finish;
		isnt($client->result, 0, "$name: the client knows");

		if ($what eq 'reconcile')
		{
			my $left = $node->safe_psql('postgres', $drift);
			is($drifted, $customers, "$name: all had drifted");
			cmp_ok($left, '<', $drifted, "$name: what was committed is there");
			cmp_ok($left, '>', 0, "$name: and not all of it");
			is($node->safe_psql('postgres', $drifting_in_part), 0, "$name: a customer is done or not done, never in part");
		}
		else
		{
			is($node->safe_psql('postgres', $everything), $before, "$name: the statement never was");
			is($node->safe_psql('postgres', $drift), 0, "$name: customers and contact data agree");
		}

		$node->safe_psql('postgres', $statement{$what});
		is($node->safe_psql('postgres', $drift), 0, "$name: run again it succeeds, and they agree");
		$node->safe_psql('postgres', q{UPDATE customers SET phone = '07' || id, whatsapp = '08' || id});
		$node->safe_psql('postgres', $statement{INSERT}) if $what eq 'DELETE';
	}
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM contact_sync.failures'), 0, 'nothing failed on the way');

$node->stop;
done_testing();
