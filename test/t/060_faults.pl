# Faults from within: at every border between C++ and PostgreSQL, in a module built for it (make FAULTS=1), each kind of
# C++ exception and of ERROR.  The server lives, the customer's statement succeeds, the failure is told and recorded, and
# nothing is left behind that PostgreSQL would complain about.  The shipped module has none of it.
#
# The places are those that the sources name: fault("...").
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TestModule;

my $installed = test_module();
my $libdir = (run_command([ 'pg_config', '--pkglibdir' ]))[0];
my $with_faults = slurp_file("$installed$libdir/contact_sync.so");
my $shipped = slurp_file('contact_sync.so');
like($with_faults, qr/contact_sync_test\.fault/, 'the module built for it knows the setting for faults');
unlike($shipped, qr/contact_sync_test|fault injected/, 'the one that is shipped knows none');

my %in_file = map { $_ => [ slurp_file($_) =~ /\bfault\("(.*?)"\)/g ] } glob 'src/*/*.[ch]pp';
my @places = sort map { @$_ } values %in_file;
cmp_ok(scalar @places, '>', 12, 'the sources name the places for faults');

# Before the guard stands around it there is no telling apart the statement's own work: an ERROR is the statement's.
my %before_the_guard = map { $_ => 1 } 'bind', 'enter';
# Where an attempt as such fails, recording and telling fail as well: it is in the server's log.
my %is_told = map { $_ => !/^(?:attempt|tell)$/ } @places;
my %is_recorded = map { $_ => !/^(?:attempt|attempted|record)$/ } @places;

# What a failure is recorded as; 57014 and 40001 are passed on, and 22023 is taken for the fault of some row
my %recorded_as = (
	bad_alloc => '53200', exception => 'XX000', foreign => 'XX000', '53200' => '53200', '22023' => '22023',
	'XX001' => 'XX001', '57014' => undef, '40001' => undef);

my $node = PostgreSQL::Test::Cluster->new('faults');
$node->init;
$node->append_conf('postgresql.conf', paths_to($installed));
$node->start;
$node->safe_psql('postgres', q{
	SET client_min_messages = error;
	CREATE EXTENSION contact_sync;
	-- Of other types and under a CHECK: to fill one is something to be guarded.
	CREATE TABLE customers (id bigint PRIMARY KEY, phone varchar(20), whatsapp char(20) CHECK (whatsapp <> 'none'));
	SELECT * FROM contact_sync.attach('customers');
	-- so that something is recorded and told in any case
	ALTER TABLE contact_methods ADD CONSTRAINT good CHECK (phone_number <> 'bad');
});

# What an app does: single rows and several, all kinds of changes; customer 9 is always at fault.
my @statements = (
	q{INSERT INTO customers VALUES (1, '1'), (9, 'bad')},
	q{INSERT INTO customers SELECT i, i FROM generate_series(2, 8) AS i},
	q{UPDATE customers SET phone = 'one' WHERE id = 1},
	q{UPDATE customers SET phone = id || ' of all' WHERE id < 9},
	q{UPDATE customers SET phone = NULL, whatsapp = '' WHERE id = 8},
	q{UPDATE customers SET phone = 'bad' WHERE id IN (7, 9)});
my $customers = q{SELECT string_agg(concat_ws(' ', id, phone), ', ' ORDER BY id) FROM customers};
my $expected = join ', ', (map { "$_ $_ of all" } 1 .. 6), '7 bad', 8, '9 bad';
my $complaint = qr/leak|still (?:active|referenced)|left non-empty|don't own|not closed|TRAP|PANIC|terminated by signal/;

my %kinds = (statement => [ sort keys %recorded_as ], row => [ 'foreign', '22023', '40001' ]);
for my $run (map { my $level = $_; map { [ $level, $_ ] } @places } 'statement', 'row')
{
	my ($level, $place) = @$run;
	$node->safe_psql('postgres', who_acts($level));
	for my $kind (@{ $kinds{$level} })
	{
		my $name = "FOR EACH $level, $place, $kind";
		my $offset = -s $node->logfile;
		my $passed_on = !defined $recorded_as{$kind};
		my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n" . join(";\n",
			"SET contact_sync_test.fault = '$place: $kind'", @statements,
			'RESET contact_sync_test.fault', $customers,
			# and afterwards the session does what it is told
			"SET client_min_messages = error", "DELETE FROM customers", "INSERT INTO customers VALUES (100, 'new')",
			"UPDATE customers SET phone = 'newer'",
			'SELECT string_agg(phone_number, $$ $$ ORDER BY method_type) FROM contact_methods WHERE customer_id = 100',
			q{SELECT concat_ws(' ', current_user = session_user, current_setting('lock_timeout'),
				current_setting('search_path'))}, ''), on_error_stop => 0);
		my $log = slurp_file($node->logfile, $offset);
		my ($saved, @afterwards) = split /\n/, $out;

		my $ok = like($log, qr/LOG:  fault injected: $place: $kind/, "$name: it was injected");
		if ($before_the_guard{$place} || $passed_on)
		{
			my $code = $recorded_as{$kind} // $kind;
			$ok &= like($err, qr/ERROR:  $code/, "$name: the client gets it");
		}
		else
		{
			$ok &= unlike($err, qr/ERROR|FATAL/, "$name: no statement fails");
			$ok &= is($saved, $expected, "$name: every row is saved");
			my $told = $place eq 'record' ? '23514' : $recorded_as{$kind};
			$ok &= $is_told{$place} ? like($err, qr/WARNING:  $told/, "$name: the client is told")
			  : unlike($err, qr/WARNING/, "$name: the client cannot be told");
			$ok &= like($log, qr/LOG:  contact_sync could not (?:record|send)/, "$name: the server's log has it")
			  unless $is_told{$place} && $is_recorded{$place};
			my $failures = $node->safe_psql('postgres', q{SELECT string_agg(DISTINCT sqlstate, ' ')
				FROM contact_sync.failures});
			$ok &= like($failures, $is_recorded{$place} ? qr/$recorded_as{$kind}|23514/ : qr/^$/, "$name: what is recorded");
		}
		$ok &= is("@afterwards", 'newer newer new t 0 "$user", public', "$name: afterwards the session is as good as before");
		$ok &= unlike($log, $complaint, "$name: the server complains of nothing");
		diag "$err\n$log" unless $ok;
		$node->safe_psql('postgres', 'DELETE FROM customers; DELETE FROM contact_sync.failures');
	}
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM contact_sync.drift('customers')}), 0, 'nothing is left of any');

$node->stop;
done_testing();
