#!/usr/bin/perl
# The example application: serves HTTP on port 8080 and reads tables that castoff has migrated.
#
#   GET /          counts of the shop, as JSON
#   GET /healthz   whether this process answers; castoff saw to the database before it started
#
# DATABASE_URL names the database, without a password, and PGPASSWORD_FILE the file that holds it.
# `shop.pl --check` is the client of the health check. Needs psql, and of Perl what perl-base has.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use POSIX ();

use constant { PORT => 8080, REQUEST_SECONDS => 5 };

my $COUNTS = <<'SQL';
SELECT json_build_object(
    'customers', (SELECT count(*) FROM customer),
    'products', (SELECT count(*) FROM product),
    'orders', (SELECT count(*) FROM "order"),
    'revenue_cents', (SELECT coalesce(sum(total_cents), 0) FROM "order" WHERE state <> 'cancelled'),
    'events', (SELECT count(*) FROM order_event))
SQL

exit(@ARGV && $ARGV[0] eq '--check' ? check() : serve());

sub check {
    local $SIG{ALRM} = sub { exit 1 };
    alarm 2;
    my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => PORT) or return 1;
    print $server "GET /healthz HTTP/1.0\r\n\r\n";
    my $status = <$server> // '';
    return $status =~ m{^HTTP/1\.\d 200 } ? 0 : 1;
}

# As PID 1 it has no default actions: a signal without a handler would be ignored.
sub serve {
    my $stop = 0;
    local $SIG{TERM} = local $SIG{INT} = sub { $stop = 1 };
    local $SIG{ALRM} = sub { exit 0 };
    local $SIG{CHLD} = 'IGNORE';    # the kernel reaps, orphans too
    my $listener = IO::Socket::INET->new(LocalPort => PORT, Listen => 128, ReuseAddr => 1, Blocking => 0)
        or die "error: cannot listen on port @{[PORT]}: $@\n";
    print STDERR "the shop listens on port @{[PORT]} as PID $$\n";

    # A signal between the test and the wait is seen a second later.
    my $readable = IO::Select->new($listener);
    until ($stop) {
        next unless $readable->can_read(1);
        my $client = $listener->accept or next;
        my $child = fork // do { warn "error: cannot fork: $!\n"; next };
        answer($client) unless $child;
    }

    # What has been accepted is answered.
    close $listener;
    alarm REQUEST_SECONDS;
    while (wait != -1) { }
    return 0;
}

# Runs in a process of its own, which SIGALRM ends whatever it waits for.
sub answer {
    my ($client) = @_;
    @SIG{qw(ALRM CHLD INT TERM)} = ('DEFAULT') x 4;
    alarm REQUEST_SECONDS;
    my ($method, $path) = (<$client> // '') =~ m{^([A-Z]+) (/[^\s?]*)} or POSIX::_exit(0);
    while (my $header = <$client>) { last if $header =~ /^\r?\n/ }

    my ($status, $body) = respond($method, $path);
    print $client "HTTP/1.1 $status\r\nContent-Type: application/json\r\n",
        'Content-Length: ', length($body) + 1, "\r\nConnection: close\r\n\r\n$body\n";
    close $client;
    POSIX::_exit(0);
}

sub respond {
    my ($method, $path) = @_;
    return ('405 Method Not Allowed', '{"error": "only GET is answered"}') if $method ne 'GET';
    return ('200 OK', '{"status": "ok"}') if $path eq '/healthz';
    return ('404 Not Found', '{"error": "there is nothing here"}') if $path ne '/';
    my $counts = query($COUNTS) // return ('503 Service Unavailable', '{"error": "the database did not answer"}');
    return ('200 OK', $counts);
}

# psql says on standard error what went wrong.
sub query {
    my ($sql) = @_;
    local $ENV{PGPASSWORD} = password();
    local $ENV{PGCONNECT_TIMEOUT} = 3;
    local $ENV{PGOPTIONS} = '-c statement_timeout=3s';
    open my $psql, '-|', 'psql', '--no-psqlrc', '--no-password', '--quiet', '--no-align', '--tuples-only',
        '--set=ON_ERROR_STOP=1', "--dbname=$ENV{DATABASE_URL}", "--command=$sql"
        or return;
    chomp(my $result = do { local $/; <$psql> } // '');
    return close($psql) ? $result : undef;
}

sub password {
    my $file = $ENV{PGPASSWORD_FILE} // return $ENV{PGPASSWORD} // '';
    open my $handle, '<', $file or do { warn "error: cannot read $file: $!\n"; return '' };
    chomp(my $password = <$handle> // '');
    return $password;
}
