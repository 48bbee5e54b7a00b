# An attached database goes through pg_upgrade, from the PostgreSQL in the folder CONTACT_SYNC_OLD to the one at hand; both
# must have contact_sync.  scripts/test-upgrade makes such a machine.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use lib 'test/t';
use TwoShops;

my $old_home = $ENV{CONTACT_SYNC_OLD} or plan skip_all => 'CONTACT_SYNC_OLD names no older PostgreSQL';

my $old = PostgreSQL::Test::Cluster->new('old', install_path => $old_home);
my $new = PostgreSQL::Test::Cluster->new('new');
$old->init;
# Since 18 initdb turns them on by itself, and pg_upgrade wants them alike.
$new->init(extra => $new->pg_version < 18 ? [] : ['--no-data-checksums']);
cmp_ok($old->pg_version, '<', $new->pg_version, 'from ' . $old->pg_version . ' to ' . $new->pg_version);

$old->start;
create_shops($old);
my $all = $old->safe_psql('shop', $rows);
my $verified = $old->safe_psql('shop', $verify);

# The minor releases of November 2026 note versions of columns in pg_attribute. An older server refuses what pg_upgrade
# brings of them, whatever the database: so they are taken away where the new server is such a one.
my $versions = q{attoptions::text LIKE '%pg_attver%'};
$new->start;
my $new_has_none = $new->safe_psql('postgres', "SELECT count(*) = 0 FROM pg_attribute WHERE $versions") eq 't';
$new->stop;
$old->safe_psql('shop',
	"SET allow_system_table_mods = on; UPDATE pg_attribute SET attoptions = NULL WHERE $versions") if $new_has_none;
$old->stop;

my $folder = PostgreSQL::Test::Utils::tempdir();
chdir $folder or die;
my @upgrade = ('pg_upgrade', '--no-sync', '--old-datadir' => $old->data_dir, '--new-datadir' => $new->data_dir,
	'--old-bindir' => "$old_home/bin", '--socketdir' => $new->host, '--old-port' => $old->port, '--new-port' => $new->port);
command_ok([ @upgrade, '--check' ], 'pg_upgrade --check');
command_ok(\@upgrade, 'pg_upgrade');

$new->start;
same($new->safe_psql('shop', $rows), $all, 'the same rows');
same($new->safe_psql('shop', $verify), $verified, 'verify says the same');
is($new->safe_psql('shop', $unfinished), '0', 'verify finds nothing to mend');
is($new->safe_psql('shop', $drift), '', 'nothing has drifted');
works($new, 'shop', 'after pg_upgrade');
is($new->safe_psql('shop', q{SELECT contact_sync.number(' 1 '), extversion = default_version
		FROM pg_extension JOIN pg_available_extensions ON name = extname WHERE extname = 'contact_sync'}),
	'1|t', 'the extension is the one at hand');

# It can be taken away as ever, and put back.
$new->safe_psql('shop', q{SET client_min_messages = error; DROP EXTENSION contact_sync CASCADE; CREATE EXTENSION contact_sync;
	SELECT count(*) FROM contact_sync.attach('public.customers')});
is($new->safe_psql('shop', q{SELECT * FROM contact_sync.drift('public.customers')}), '', 'attached anew');

$new->stop;
done_testing();
