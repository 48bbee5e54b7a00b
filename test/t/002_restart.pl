# The module needs no preloading: it is loaded by the first trigger that fires, also after a restart, and what
# postgresql.conf, a database or a role say of its settings before it is loaded holds from the first trigger on.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('restart');
$node->init;
$node->start;

$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop', q{
	SET client_min_messages = warning;
	CREATE EXTENSION contact_sync;
	CREATE TABLE customers (id bigint PRIMARY KEY, name text, phone text, whatsapp text);
	CREATE ROLE clerk LOGIN;
	GRANT SELECT, INSERT, UPDATE ON customers TO clerk;
	CREATE ROLE bulk LOGIN;
	GRANT SELECT, INSERT, UPDATE ON customers TO bulk;
	SELECT count(*) FROM contact_sync.attach('customers');
	INSERT INTO customers VALUES (1, 'one', '1');
	ALTER TABLE contact_methods ADD CONSTRAINT good CHECK (phone_number <> 'bad');
});

my $method = q{SELECT phone_number FROM contact_methods WHERE (customer_id, method_type) = (1, 'sms')};
my $loaded = q{SELECT count(*) FROM pg_settings WHERE name = 'contact_sync.lock_timeout'};

# change PHONE, SETTING...: a new session of its own, with these options, changes the phone; what it says on stderr
sub change
{
	my ($phone, @options) = @_;
	my ($status, $out, $err) = $node->psql('shop',
		qq{\\set VERBOSITY sqlstate\nUPDATE customers SET phone = '$phone' WHERE id = 1}, on_error_stop => 0, @options);
	return $err;
}

# Without preloading
is($node->safe_psql('postgres', 'SHOW shared_preload_libraries'), '', 'nothing is preloaded');
$node->restart;
is($node->safe_psql('shop', "$loaded; UPDATE customers SET name = 'new' WHERE id = 1; $loaded;"), "0\n1",
	'the first trigger loads the module, also where it has nothing to do');
is(change('2'), '', 'after a restart a change');
is($node->safe_psql('shop', $method), '2', 'is synchronised');
is(change('3', connstr => $node->connstr('shop') . ' user=clerk'), '', 'one by an app role');
is($node->safe_psql('shop', $method), '3', 'is synchronised');

# Settings from before the module is loaded: of a database and a role
$node->safe_psql('shop', q{ALTER ROLE bulk SET contact_sync.enabled = off});
change('4', connstr => $node->connstr('shop') . ' user=bulk');
is($node->safe_psql('shop', $method), '3', "ALTER ROLE ... SET contact_sync.enabled = off: not that role's change");
is($node->safe_psql('shop', 'SELECT phone FROM customers'), '4', 'but the row is saved');
change('5', connstr => $node->connstr('shop') . ' user=clerk');
is($node->safe_psql('shop', $method), '5', "but another's");
$node->safe_psql('shop', q{ALTER ROLE bulk RESET contact_sync.enabled});
$node->safe_psql('shop', q{ALTER DATABASE shop SET contact_sync.lock_timeout = '123ms'});
is($node->safe_psql('shop', q{UPDATE customers SET phone = '6'; SHOW contact_sync.lock_timeout}), '123ms',
	'ALTER DATABASE ... SET contact_sync.lock_timeout');
$node->safe_psql('shop', q{ALTER DATABASE shop RESET contact_sync.lock_timeout});

# A client may not switch it off by itself: not afterwards, and not in advance, before the module knows the setting.
my ($status, $out, $err) = $node->psql('shop', q{
	\set VERBOSITY sqlstate
	SET contact_sync.enabled = off;
	UPDATE customers SET phone = '7';
	SET contact_sync.enabled = off;
}, connstr => $node->connstr('shop') . ' user=clerk', on_error_stop => 0);
is($err, "psql:<stdin>:4: WARNING:  42501\npsql:<stdin>:5: ERROR:  42501", 'contact_sync.enabled is refused to an app role');
is($node->safe_psql('shop', $method), '7', 'what it did is synchronised');
{
	local $ENV{PGOPTIONS} = '-c contact_sync.enabled=off';
	change('8', connstr => $node->connstr('shop') . ' user=clerk');
	is($node->safe_psql('shop', $method), '8', 'and to one that says it as it connects');
}

# postgresql.conf; a reload reaches sessions that have loaded the module
$node->append_conf('postgresql.conf', "contact_sync.enabled = off\ncontact_sync.lock_timeout = '234ms'");
$node->restart;
is(change('9'), '', 'postgresql.conf: contact_sync.enabled = off');
is($node->safe_psql('shop', $method), '8', 'nothing is synchronised');
is($node->safe_psql('shop', q{UPDATE customers SET phone = '10'; SHOW contact_sync.enabled; SHOW contact_sync.lock_timeout}),
	"off\n234ms", 'both settings are what postgresql.conf says');
my $session = $node->background_psql('shop');
$session->query_safe(q{UPDATE customers SET phone = '11'});
is($node->safe_psql('shop', $method), '8', 'a session that is open');
$node->append_conf('postgresql.conf', "contact_sync.enabled = on");
$node->reload;
$session->query_until(qr/ready/, "\\echo ready\n");
$node->poll_query_until('shop', q{SELECT current_setting('contact_sync.enabled', true) = 'on'});
$session->query_safe(q{UPDATE customers SET phone = '12'});
is($node->safe_psql('shop', $method), '12', 'has the setting after a reload');
$session->quit;

# An invalid value: the server's log says so as the module is loaded, the default holds, and the statement succeeds.
$node->adjust_conf('postgresql.conf', 'contact_sync.lock_timeout', "'0'");
$node->restart;
is($node->safe_psql('shop', q{SET client_min_messages = error; UPDATE customers SET phone = '13'; SHOW contact_sync.lock_timeout}),
	'500ms', 'an invalid value in postgresql.conf leaves the default');
is($node->safe_psql('shop', $method), '13', 'and everything at work');
$node->adjust_conf('postgresql.conf', 'contact_sync.lock_timeout', "'500ms'");
$node->restart;

# Preloaded it works as well.
# (By the path that the functions name it by: another file of that name would be another module.  Since 18 it is looked
# for in dynamic_library_path for both, unless this is a path.)
my $module = $node->pg_version < 18 ? '$libdir/contact_sync' : 'contact_sync';
$node->append_conf('postgresql.conf', "shared_preload_libraries = '$module'");
$node->restart;
is($node->safe_psql('shop', $loaded), '1', 'preloaded');
is(change('14'), '', 'a change');
is($node->safe_psql('shop', $method), '14', 'is synchronised');
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->restart;

# The server's log has what the client is not told: the original DETAIL and CONTEXT.
my $offset = -s $node->logfile;
is(change('bad'), 'psql:<stdin>:2: WARNING:  23514', 'a failure');
my $log = slurp_file($node->logfile, $offset);
like($log, qr/WARNING:  update_contact_methods\(\) failed for customer 1/, 'the log has the WARNING');
like($log, qr/DETAIL:  The customer's row is saved.*\n\s+Failing row contains/, 'with the DETAIL of the error itself');
like($log, qr/^\tSQL statement "UPDATE public\.contact_methods/m, 'and its CONTEXT');
$node->safe_psql('shop', 'ALTER TABLE contact_sync.failures ADD CHECK (false) NOT VALID');
$offset = -s $node->logfile;
change('2');
change('bad');
$log = slurp_file($node->logfile, $offset);
like($log, qr/LOG:  contact_sync could not record a failure of update_contact_methods\(\) for customer 1 of table "public\.customers": .*"failures_check"\n.*DETAIL:  .*"good"\n/,
	'a failure that cannot be recorded is in the log, with both errors');
$node->safe_psql('shop', 'ALTER TABLE contact_sync.failures DROP CONSTRAINT failures_check');

$node->stop;
done_testing();
