# A statement that is cancelled in the middle of the body is cancelled: by statement_timeout or pg_cancel_backend, while a
# user's trigger on contact_methods works or while a lock is awaited.  It is never swallowed: the client gets 57014, no row
# is saved, nothing is recorded, and the session is as good as before.  So it is with a terminated one.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('cancel');
$node->init;
# The waits end by being cancelled, and by nothing else.
$node->append_conf('postgresql.conf', "deadlock_timeout = '600s'\ncontact_sync.lock_timeout = '500s'");
$node->start;

$node->safe_psql('postgres', q{
	CREATE EXTENSION contact_sync;
	CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
	CREATE TABLE contact_methods (
		customer_id bigint, method_type text, phone_number text, UNIQUE (customer_id, method_type)
	);
	CREATE TRIGGER update_methods AFTER INSERT OR UPDATE ON customers
		FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
	CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF NEW.phone_number = 'slow' THEN
			PERFORM pg_sleep(600);
		ELSIF NEW.phone_number = 'busy' THEN
			LOOP NULL; END LOOP;
		END IF;
		RETURN NEW;
	END
	$$;
	CREATE TRIGGER dawdle BEFORE INSERT OR UPDATE ON contact_methods FOR EACH ROW EXECUTE FUNCTION dawdle();
	INSERT INTO customers VALUES (1, 'one'), (2, 'two');
});

my $phones = q{SELECT string_agg(phone, ' ' ORDER BY id) FROM customers};
my $methods = q{SELECT string_agg(phone_number, ' ' ORDER BY customer_id) FROM contact_methods WHERE method_type = 'sms'};
my $failures = q{SELECT count(*) FROM contact_sync.failures};
my $settings = q{SELECT concat_ws(' ', current_setting('lock_timeout'), current_setting('deadlock_timeout'),
	current_setting('search_path'), current_user = session_user)};
my $before = $node->safe_psql('postgres', $settings);

# What is left after a statement that never was.
sub is_untouched
{
	my ($of) = @_;
	is($node->safe_psql('postgres', $phones), 'one two', "$of: no row is saved");
	is($node->safe_psql('postgres', $methods), 'one two', "$of: the methods are what they were");
	is($node->safe_psql('postgres', $failures), '0', "$of: nothing is recorded");
}

# The row locked in a session of its own.
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN');
$holder->query_safe('SELECT * FROM contact_methods WHERE customer_id = 2 FOR UPDATE');

# statement_timeout; afterwards the same session does what it is told.
my %statement = (
	'in a trigger that sleeps' => q{UPDATE customers SET phone = 'slow' WHERE id = 1},
	'in a trigger that works' => q{UPDATE customers SET phone = 'busy' WHERE id = 1},
	'in a wait for a row' => q{UPDATE customers SET phone = 'new' WHERE id = 2},
	'of several rows' => q{UPDATE customers SET phone = 'new'},
	'in an INSERT' => q{INSERT INTO customers VALUES (3, 'slow')});

for my $where (sort keys %statement)
{
	my ($status, $out, $err) = $node->psql('postgres', qq{
		\\set VERBOSITY sqlstate
		SET statement_timeout = '200ms';
		$statement{$where};
		RESET statement_timeout;
		$settings;
		BEGIN; UPDATE customers SET phone = 'after' WHERE id = 1; $methods; ROLLBACK;
	}, on_error_stop => 0);
	is($err, 'psql:<stdin>:4: ERROR:  57014', "statement_timeout $where reaches the client");
	is($out, "$before\nafter two", "statement_timeout $where: the session is as good as before");
	is_untouched("statement_timeout $where");
}

# pg_cancel_backend and pg_terminate_backend, once the body is seen to wait
for my $signal ('pg_cancel_backend', 'pg_terminate_backend')
{
	for my $case ([ 1, 'slow', q{wait_event = 'PgSleep'} ], [ 2, 'new', q{wait_event_type = 'Lock'} ])
	{
		my ($id, $number, $waits) = @$case;
		my $name = "$signal, $number";
		my ($out, $err) = ('', '');
		my $client = IPC::Run::start(
			[ 'psql', '-X', '-A', '-t', '-d', $node->connstr('postgres'), '-v', 'VERBOSITY=sqlstate',
				'-c', q{SET application_name = 'client'},
				'-c', qq{UPDATE customers SET phone = '$number' WHERE id = $id}, '-c', $settings ],
			'>', \$out, '2>', \$err);
		$node->poll_query_until('postgres',
			qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'client' AND $waits})
		  or die "the client does not wait: $err";
		$node->safe_psql('postgres', qq{SELECT $signal(pid) FROM pg_stat_activity WHERE application_name = 'client'});
		$client->finish;
		if ($signal eq 'pg_cancel_backend')
		{
			like($err, qr/\A\S*\s*ERROR:  57014\n\z/, "$name reaches the client");
			is($out, "SET\n$before\n", "$name: the session is as good as before");
		}
		else
		{
			like($err, qr/FATAL:  57P01/, "$name reaches the client");
			ok($node->poll_query_until('postgres',
				q{SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'client'}), "$name: the session is gone");
		}
		unlike($err, qr/WARNING/, "$name: there is no WARNING");
		is_untouched($name);
	}
}

# A cancelled statement may be one of a transaction: the rest is kept by its savepoint.
my ($status, $out, $err) = $node->psql('postgres', qq{
	\\set VERBOSITY sqlstate
	BEGIN;
	UPDATE customers SET phone = 'kept' WHERE id = 1;
	SAVEPOINT one;
	SET LOCAL statement_timeout = '200ms';
	UPDATE customers SET phone = 'slow' WHERE id = 1;
	ROLLBACK TO one;
	UPDATE customers SET whatsapp = 'kept' WHERE id = 1;
	COMMIT;
}, on_error_stop => 0);
is($err, 'psql:<stdin>:7: ERROR:  57014', 'a statement between savepoints is cancelled');
is($node->safe_psql('postgres', q{SELECT string_agg(phone_number, ' ') FROM contact_methods WHERE customer_id = 1}),
	'kept kept kept', 'the rest of its transaction is kept');

# What is cancelled by its own client's lock_timeout is no cancelled query: that is a failure like any other, 55P03.
($status, $out, $err) = $node->psql('postgres', qq{
	\\set VERBOSITY sqlstate
	SET lock_timeout = '100ms';
	UPDATE customers SET phone = 'saved' WHERE id = 2;
	SHOW lock_timeout;
}, on_error_stop => 0);
is($err, 'psql:<stdin>:4: WARNING:  55P03', "the client's own lock_timeout: a WARNING");
is($out, '100ms', "the client's own lock_timeout is what it was");
is($node->safe_psql('postgres', $phones), 'kept saved', "the client's own lock_timeout: the row is saved");
is($node->safe_psql('postgres', q{SELECT customer, sqlstate FROM contact_sync.failures}), '2|55P03', 'and it is recorded');

$holder->query_safe('ROLLBACK');
$holder->quit;
$node->stop;
done_testing();
