### Texts of the commands in English. Keys are the same in every language; `{ $name }` are arguments.


## What was typed
error-collection-name = '{ $found }' is not a collection name: it has the form PUBLISHER/NAME, for example bj4/algebra-1
error-kind = '{ $found }' is not a kind of collection: use one of { $known }
error-proxy = --proxy takes http://[USER:PASSWORD@]HOST:PORT
error-address = { $flag } takes an address with a port, for example 0.0.0.0:4041, not '{ $found }'
error-rate = { $flag } takes a number of Mbit/s, for example 20 or 0.5, not '{ $found }'
error-count = { $flag } takes a whole number from 1 to 100000, not '{ $found }'
error-queue = { $flag } takes whole milliseconds from 1 to 1000, not '{ $found }'
error-mode = --mode is thrifty or fast, not '{ $found }'
error-no-home = this user has no home directory: say where the node's folder is with --home DIR
error-no-folder = there is no folder { $path }: check the name
error-path = { $path } cannot be used: { $detail }
error-relative-path = '{ $path }' is not an absolute path
error-body = the request cannot be read: { $detail }

## The node
error-not-running = the node is not running: start it with `karez run` (no answer at { $socket })
error-not-allowed = no permission to use { $socket }: run this as the user that runs the node
error-broken = the connection to the node broke ({ $detail }): run the same command again, it goes on where it stopped
error-cut-short = the node stopped before it was done: start it with `karez run` and run the same command again
error-stopping = the node is stopping: start it with `karez run` and run the same command again
error-unknown-endpoint = this program and the running node differ in version: restart the node
error-link-elsewhere = { $path } is not on the disk of this node's store, and what is unplugged or unmounted later would be missing here: leave out --link, or choose a folder on that disk with --to
error-own-folder = { $path } is in this node's own folder { $own }, which only the node writes to: choose another folder
error-gateway-off = the gateway is off: start the node without `--gateway off`, or use `karez pull`
error-gateway-host = this gateway answers only as localhost, 127.0.0.1, [::1] or its own address, not as '{ $found }': open it under one of those
error-gateway-range = the file has { $size } bytes: the range asked for is not in it
error-gateway-lost = part of '{ $path }' is lost here: its file was changed, moved or removed, or the disk is damaged. It is fetched again as soon as another node has it: try again in a while. Where it was published, publish the folder again; `karez status` says more
error-gateway-away = { $file } is not there, nor is its disk: attach the disk again
error-gateway-unreadable = '{ $path }' cannot be read: { $detail }
error-store = the node's store failed: { $detail }

## Content
error-unknown-collection = no collection '{ $collection }' in the catalogue: `karez search` lists what there is
error-unknown-item = '{ $collection }' has no item '{ $item }': `karez show { $collection }` lists its items
error-unknown-file = '{ $collection }' has no file '{ $path }'
error-not-ready = the description of '{ $collection }' has not arrived yet: try again in a moment, or see `karez status`
error-given-up = '{ $collection }' was given up (`karez unfollow`): pull it again to go on with what is here
error-not-publisher = this node may not publish as '{ $publisher }': its invite names { $owned }
error-no-publisher = this node may not publish as '{ $publisher }': it joined as a site that publishes nothing. Ask the county operator for an invite that names a publisher
error-compressed-tar = nothing was published: { $path } is a compressed archive, and after any change inside all of it would have to be sent again. Unpack it, or publish with --unpack
error-compressed-tar-by-hand = nothing was published: { $path } is a compressed archive, and after any change inside all of it would have to be sent again. Unpack it first
error-no-ffmpeg = nothing was published: renditions need { $program }, which is not installed on this machine (Debian and Ubuntu: apt install ffmpeg)
error-ffmpeg = nothing was published: ffmpeg failed on { $path }: { $line } (its log is { $log })
error-rendition = '{ $found }' is not a rendition: give even heights from 120p to 1080p, such as 360p,480p
error-sensitivity = nothing was published: collection.toml says sensitivity = "{ $found }", but only open collections can be published so far, and what is published can be read by all members
error-refused = nothing was published: clear tags with a DICOM de-identification tool, unpack archives, or take the files out of the folder
error-pack = nothing was published: { $detail }
error-publishing = { $collection } is being published already: wait until that has finished
error-pack-no-folder = nothing was published: there is no folder { $path }. Check the name
error-pack-not-a-folder = nothing was published: { $path } is not a folder. Put the file into a folder of its own and publish that
error-pack-empty = nothing was published: { $path } holds no file. What was published before stays as it is
error-pack-empty-skipped = nothing was published: { $path } holds no file ({ left-out }). What was published before stays as it is
error-pack-own-folder = nothing was published: { $path } belongs to this node, and lies in the folder to be published or around it. Keep them apart
error-pack-not-readable = nothing was published: the node may not read { $path }. Give its user the right to, or take it out of the folder
error-pack-unreadable = nothing was published: { $path } cannot be read ({ $detail }). Make it readable, or take it out of the folder
error-pack-changing = nothing was published: { $path } is being changed by another program. Wait until it is finished, then publish again
error-pack-name-encoding = nothing was published: the name { $path } is not UTF-8. Rename it (convmv turns old GBK names into UTF-8)
error-pack-name = nothing was published: rename { $path }, as { name-fault }
error-pack-names = nothing was published: { $count } names cannot be published:
    {"    "}{ $lines }
    Rename them: UTF-8 (convmv turns old GBK names into it), no control characters, at most 255 bytes in a name and 1024 in a path; in an archive no path that begins with / or has . or .. in it
error-pack-description = nothing was published: { $path } is not right:
    { $lines }
error-pack-unknown-item = nothing was published: { $path } describes '{ $key }', but there is no such folder or file. Correct the name
error-pack-item-left-out = nothing was published: { $path } describes '{ $key }', which is left out ({ skip-reason }). Finish or rename it, or take the entry out
error-pack-unpack = nothing was published: { $path } cannot be unpacked, as { unpack-fault }. Unpack it by hand
error-pack-collision = nothing was published: '{ $path }' is in the folder and in an archive or rendition. Rename one of them
error-pack-too-large = nothing was published: the folder is too large for one collection ({ $detail }). Split it
error-pack-disk-full = nothing was published: no space is left on the disk of { $path }. Free some and publish again; nothing stored before is lost
error-pack-quota = nothing was published: the store has reached its quota. `karez gc` gives back what is not needed, `karez quota` raises it
error-pack-read-only = nothing was published: { fault-read-only }
error-pack-not-allowed = nothing was published: { fault-not-allowed }
error-pack-away = nothing was published: { fault-away }
error-pack-damaged = nothing was published: { fault-damaged }
error-pack-system = nothing was published: { fault-system }
error-no-space = the copy needs { $needed }, but only { $free } are free at { $path }: choose another disk with --to, or play without a copy with `karez play`
error-read-only-path = { $path } cannot be written: its disk or folder is read-only. Make it writable, or choose another home with --home
error-no-permission = { $path } cannot be used: this user has no right to. Give it the right, or run the command as the node's user
fault-disk-full = no space left on the disk of { $path }: free some; nothing stored before is lost
fault-quota = the store has reached its quota of { $bytes } bytes: `karez gc` gives back what is not needed, or raise the quota
fault-read-only = { $path } cannot be written to: its disk or folder is read-only. Make it writable, then start the node again
fault-not-allowed = the user that runs the node has no right to use { $path }: give it the right, or choose another folder
fault-away = { $path } is not there, nor is its disk: attach the disk again
fault-damaged = a chunk is damaged on disk: it is fetched again
fault-system = { $path } cannot be used: { $detail }
fault-missing = not all of it is here: pull it first
fault-in-the-way = { $path } is in the way: remove it, or choose another folder
fault-busy = another copy is being written to { $path }: wait for it
fault-other = { $detail }
fault-proxy-unreachable = the HTTP proxy { $proxy } cannot be reached ({ $detail }): check its address in --proxy, and the network
fault-proxy-credentials = the HTTP proxy { $proxy } wants a user name and a password, or refuses them: --proxy http://USER:PASSWORD@{ $proxy }
fault-proxy-forbidden = the HTTP proxy { $proxy } does not let this node out to { $target } (answer { $status }): ask its operator to allow CONNECT to that port, or have the other side listen on port 443
fault-proxy-no-way = the HTTP proxy { $proxy } does not reach { $target } (answer { $status }): ask its operator, if others can reach it
fault-not-a-proxy = { $proxy } does not answer like an HTTP proxy: check the address in --proxy
problem-disk-full = no space left on the disk of { $path }: free some (`karez gc` gives back what is not needed); nothing stored before is lost
problem-clock = the clock of this machine is wrong: it is more than a day ahead of the tracker's, which takes no announces of this node until it is set (if it is right, have the operator look at the tracker's)
problem-roster = the new roster cannot be saved: { $detail }
problem-forked = { $collection }: version { $version } was signed twice with different content: the publisher's key may be misused
problem-unlisted = { $collection } is published but not listed yet: { $detail }
problem-lost = { $collection }: a stored chunk is damaged or gone, it is fetched again
problem-changed-files = files were changed, moved or removed, and hold chunks no longer that are published from them (number in brackets): { $files }. Publish the folder again, and let go of older versions that need them with `karez gc`; copies made with --link mend themselves when a peer has the chunks
status-unreadable = { $path } is damaged, so nobody knows what it named, and `karez gc` waits: remove it, then pull or publish that again
status-unreadable-superseded = { $path } is damaged, but a newer version is here whole: `karez gc` removes it
error-damaged-release = { $path } is damaged, and what it named may still be needed: nothing was removed. Remove the file, then pull or publish that again
error-copy-disk-full = the copy failed: { fault-disk-full }
error-copy-quota = the copy failed: { fault-quota }
error-copy-read-only = the copy failed: { $path } cannot be written to: its disk or folder is read-only. Make it writable, or choose another folder with --to
error-copy-not-allowed = the copy failed: { fault-not-allowed }
error-copy-away = the copy failed: { fault-away }
error-copy-damaged = the copy failed: { fault-damaged }
error-copy-system = the copy failed: { fault-system }
error-copy-missing = the copy failed: { fault-missing }
error-copy-in-the-way = the copy failed: { fault-in-the-way }
error-copy-busy = the copy failed: { fault-busy }
error-copy = the copy to { $path } failed: { $detail }
error-nothing-to-play = '{ $collection }' has nothing to play there: `karez show { $collection }` lists its files
error-kept = { $files ->
    [one] 1 file in the folder is not from this collection and was left as it is: move it away, choose another folder with --to, or repeat with --overwrite
   *[other] { $files } of the files in the folder are not from this collection and were left as they are: move them away, choose another folder with --to, or repeat with --overwrite
}
error-import-damaged = { $count ->
    [one] 1 record of the bundle was left out, because it is damaged or nothing signed names it
   *[other] { $count } records of the bundle were left out, because they are damaged or nothing signed names them
}; the rest came in. A new bundle or the network brings what is missing
error-no-player = no player could be opened here: copy the address { $url } into a player or browser

## Setting up
error-home-missing = { $home } is not a node's home yet: run `karez init` first
error-home-exists = { $home } holds a node already: it is kept as it is
error-not-joined = this node has not joined a network: run `karez join INVITE` with the line that the county operator sent
error-damaged = { $path } is damaged: { $detail }
error-invite-prefix = an invite starts with 'karez1:': copy the whole line that the county operator sent
error-invite-damaged = the invite is damaged (a character is missing or mistyped): copy it again
error-invite-document = the invite cannot be used: { $detail }
error-tracker-unreachable = the tracker at { $url } cannot be reached ({ $detail }): check the network, or ask the operator whether it runs
error-tracker-invite = the tracker does not accept the invite ({ $detail }): ask the operator for a new one
error-tracker-refused = the tracker refuses: { $detail }
error-tracker-elsewhere = { $url } sends this node on to { $to }: log in there if it is the login page of the network on the way; if the tracker has moved, ask the operator for a new invite
error-not-a-tracker = { $url } does not answer like a Karez tracker: check the address
error-roster-answer = the tracker's answer is not signed by the key in the invite ({ $detail }): do not trust this network; ask the operator
error-roster-saved = the saved list of members is not valid ({ $detail }): join again with `karez join INVITE`
error-not-listed = the tracker answered, but its list of members does not name this node: ask the operator for a new invite
error-other-network = this node belongs to another network already: use another home (`--home DIR`) for the second network
error-already-running = a node runs with this home already ({ $dir } is in use): stop it first, or use another --home
error-disk-full = no space left on the disk of { $path }: free some and start again; nothing stored before is lost
error-port = { $detail }. Another program may use the port: choose another with --listen
error-gateway-port = the gateway cannot use { $address } ({ $detail }): choose another address with --gateway, or --gateway off
error-control-socket = the control socket cannot be opened: { $detail }
init-done = This machine is a node now: { $peer }
    Its folder is { $home }.
    Next: `karez join INVITE` with the line that the county operator sent.
join-done = Joined the network { $network } as { $name }.
    Next: `karez run`.
join-publisher = It may publish as { $publisher }.
run-ready = Running as { $peer }, listening on { $listen }. Ctrl-C stops.
run-gateway = Lessons play at { $gateway }
run-stopped = Stopped. Everything fetched is kept.

## Catalogue
search-empty = The catalogue is empty: nothing is published yet, or the tracker has not answered (`karez status`).
search-nothing = Nothing matches '{ $query }': `karez search` without words lists everything.
list-empty = No collection is here yet: `karez search` lists what there is, `karez pull PUBLISHER/NAME` fetches it.
show-creators = By { $value }
show-languages = Languages: { $value }
show-licence = Licence: { $value }
show-sizes = { $plain } in files; fetching it now takes { $bound ->
    [upper] at most { $wire }
   *[exact] { $wire }
  } of content (about { $framed } on the wire), a copy { $copy } of disk
show-more-items = { $count } more items are not listed; any of them can be pulled by its name
show-following = New versions arrive unasked.
follow-on = { $collection }: new versions arrive unasked from now on.
follow-off = { $collection }: no new versions unasked. What is here stays.
kind-course = course
kind-consultation = consultation
kind-care = care
kind-library = library
kind-culture = culture
kind-sport = sport
here-yes = all
here-older = v{ $version }
here-no = –
column-collection = COLLECTION
column-title = TITLE
column-kind = KIND
column-items = ITEMS
column-size = SIZE
column-here = HERE
column-number = NO
column-key = KEY
column-version = VERSION
column-state = STATE
column-peer = PEER
column-role = ROLE
column-received = RECEIVED
column-sent = SENT
column-rate = RATE
column-lane = LANE
lane-lan = QUIC, on this LAN
lane-quic = QUIC
lane-udp-blocked = over the control connection: UDP blocked
lane-udp-throttled = over the control connection: UDP throttled
lane-proxy = over the control connection, through the HTTP proxy: UDP blocked
lane-relayed = relayed by { $relay }: no direct way
column-rtt = ROUND TRIP

## Pulling and publishing
files-count = { $count ->
    [one] { $count } file
   *[other] { $count } files
}
pull-plan = { $title }, version { $version }: { $files }, { $plain }; { $wire } to fetch (about { $framed } on the wire)
pull-copy = The copy in { $to } takes { $copy } of disk.
pull-copy-free = The copy in { $to } takes { $copy } of disk, { $free } are free.
pull-renamed = { $path } is called { $exported } in the copy: { $reason }
pull-kept = { $path } was left as it is: it is no version of this collection's file
renamed-characters = Windows or USB sticks cannot store some of its characters, or they show nothing
renamed-reserved = Windows takes that name for a device
renamed-ending = Windows drops dots and spaces at the end
renamed-normalised = composed letters instead of letters with marks
renamed-length = too long
renamed-collision = another file has that name, but for case or how its letters are composed
pull-eta = { $eta } left
pull-sources = flagship { $flagship } · peers { $peers } · group { $group } · already here { $here }
pull-waiting = nobody connected has the rest; { $from }
pull-problem = stopped: { $problem }
pull-newer = version { $version } has come: it is fetched in place of the older one
pull-copying = copying
pull-done = { $files }, { $bytes } in { $to } ({ $wall })
pull-linking = making the copy this node's own
pull-linked = { $files } of the copy are this node's own now and read-only: { $bytes } are held once, { $freed } of disk came free. Do not change or delete them: what is missing would be fetched again.
pull-not-linked = { $path } stays beside this node's own copy: it belongs to another user, or was changed
publish-packing = packing, { $files } done
publish-done = Published { $collection } version { $version }.
publish-unchanged = { $collection } version { $version } holds exactly this already: nothing was published.
publish-sizes = { $files }, { $plain }; { $stored } stored, of which { $new } are new to those who have the version before
publish-sizes-first = { $files }, { $plain }; { $stored } stored
publish-in-place = { $bytes } stay in the folder, and this node holds no copy of them: leave its files where and as they are, and publish again after every change.
publish-unlisted = The tracker has not listed it yet; this happens at the next contact.
publish-skipped = { $count ->
    [one] 1 entry was left out:
   *[other] { $count } entries were left out:
}
publish-rendering = making renditions, { $number } of { $count } ({ $height })
publish-renditions = { $count ->
    [one] 1 rendition is among the files
   *[other] { $count } renditions are among the files
}
publish-plain = { $count ->
    [one] One film or archive could not be taken apart, so its updates may cost more: --json says which and why
   *[other] { $count } films or archives could not be taken apart, so their updates may cost more: --json says which and why
}
publish-title = Title: { $title }
publish-warnings = { $count ->
    [one] One thing to know about the files:
   *[other] { $count } things to know about the files:
}
publish-refused = { $count ->
    [one] This must not become public:
   *[other] These { $count } things must not become public:
}
notices-more = and { $count } more
play-rendition = { $height } lines: { $url }
play-subtitle = subtitles: { $url }

## Status
status-node = { $name } in { $network }, running for { $uptime } (karez { $version })
status-peer = peer     { $peer }
status-listen = listens  { $listen }; { $limits }; gateway { $gateway }
status-tracker = tracker  { $url }, reachable
status-tracker-away = tracker  { $url }, NOT reachable; last contact: { $last }. { $problem }
status-bytes = bytes    received { $received } (flagship { $flagship } · peers { $peers }, of these group { $group }); sent { $sent }
status-relay = relay    carried { $bytes } between others; circuits { $circuits } of { $most }, reachable here { $reservations }; limit { $limit }; refused { $refused }
status-relay-unlimited = none
status-proxy = proxy    the tracker and other nodes are reached through the HTTP proxy { $proxy }
status-through = through  others reach this node through { $relays } where nothing direct leads here
status-relayed = ; through a relay { $bytes }
status-store = store    { $used }
status-store-quota = store    { $used } of { $quota } allowed
status-damaged = ; { $chunks } chunks damaged, fetched again when somebody has them
status-scrub = ; being read again, { $percent } % done
status-problems = To be looked after:
status-no-peers = No other node is connected.
status-missing = { $collection }: { $missing }; { $from }
missing-description = its description has not arrived
missing-chunks = { $missing ->
    [one] 1 chunk is missing
   *[other] { $missing } chunks are missing
}, { $count } of which nobody connected holds
waiting-for = waiting for { $names }
waiting-for-nobody = no node is known that holds them
tracker-never = never
limit-none = unlimited
limits = up { $up }, down { $down }
limits-peer = {" "}(any one node: up { $up }, down { $down })
gateway-off = off
state-complete = complete
state-published = published here
state-paused = paused
state-waiting = waiting
state-pulling = fetching, { $rate }
state-pulling-eta = fetching, { $rate }, { $eta } left
state-following = { $state }, following
role-flagship = flagship
role-group = group
role-site = site
duration-seconds = { $seconds } s
duration-minutes = { $large } min { $small } s
duration-hours = { $large } h { $small } min
duration-days = { $large } d { $small } h

## Bundles
error-courier = { $detail }
error-no-request = there is no file { $path }: is the stick plugged in? `karez request` at the site writes it
error-not-a-request = { $path } is not a whole file written by `karez request`: it is empty, cut short, or another file. Write it again at the site, and copy it again
error-newer-request = { $path } was written by a newer Karez: update this node
error-foreign-request = { $path } was written in another network: use the file of a site of this network
error-no-stick-folder = there is no folder { $path }: is the stick plugged in? If it is, make the folder first
error-no-source-folder = there is no folder { $path }: is the stick plugged in, and the path right?
error-not-a-folder = { $path } is not a folder: give a folder on the stick
error-not-writable = the node cannot write to { $path }: give its user the right to, or plug the stick in writable
error-not-readable = the node cannot read { $path }: give its user the right to
error-no-bundle = there is no bundle in { $path }: give the folder karez-bundle-... or the folder that it is in
error-unfinished-bundle = the bundle { $path } is unfinished (parts so far: { $parts }): run the same export again, it goes on there
error-not-plain = { $path } is no plain file of a bundle: do not trust this stick
error-damaged-bundle = { $path } is damaged: export the bundle again
error-foreign-bundle = { $path } was made for another network: this node cannot use it
error-incomplete = { $collection } version { $version } is not complete here: pull it first
error-not-here = { $collection } is not here, or not all of it: `karez ls` lists what is here, `karez pull { $collection }` fetches it
error-small-stick = the bundle needs { $needed }, but only { $free } are free at { $path }: use a larger stick
error-full-stick = no space is left at { $path }: free some, or use a larger stick, and run the same command again
error-read-back = { $path } reads back differently than it was written: do not use this stick
error-too-much = this is too much for one bundle: export fewer collections at a time
error-unknown-member = the network has no member '{ $name }': check the name with whoever runs that site
request-done = Written: { $path }
    Take it to a node that has what you need, and run `karez export --have FILE --to DIR` there.
export-checking = reading it back
export-unknown-site = What the site holds is not known, so everything was packed. `karez request` at the site writes a file that says it.
export-done = { $path }: { $bytes }, { $chunks } chunks; { $held } left out because the site holds them.
    At the site: `karez import DIR`.
import-damage = {"  "}{ $path } @ { $offset }: { $fault }
import-damages-more = {"  "}and { $count } records more
import-unnamed = { $count } chunks stand behind a damaged page of a description, which alone says what they are. Keep the bundle: when the description has come over the network (karez show PUBLISHER/NAME), the same import takes them. Or export again.
import-part = this part belongs to another bundle or place, or its beginning is damaged
import-part-unreadable = this part cannot be read ({ $detail })
import-part-short = the part ends early
import-bytes = damaged bytes
import-record-unreadable = the medium does not give the bytes
import-release = a damaged release
import-too-many-releases = too many releases in one bundle
import-release-refused = a release that is not accepted ({ $detail })
import-page-unnamed = a page that no accepted release before it names
import-page-rules = a page that is none
import-chunks-unnamed = { $count ->
    [one] a chunk that no page before it names
   *[other] { $count } chunks that no page before them names
}
import-chunk-length = a chunk of another length than its description says
import-chunk = a damaged page or chunk
import-done = Chunks new here: { $new } ({ $bytes }); already here: { $held }.

## Looking after the store
error-pin = '{ $found }' names no collection: write PUBLISHER/NAME or PUBLISHER/NAME@VERSION
error-size = '{ $found }' is not a number of bytes above 0: write for example 500K, 20M or 2G
error-unreadable-releases = release files that cannot be read: { $count }. What to do stands above
error-still-damaged = { $chunks } chunks are damaged, and nobody reachable has them: they are fetched as soon as somebody has
pin-on = { $pin } is pinned now: nothing removes it to make room.
pin-was-on = { $pin } was pinned already.
pin-absent = {" "}It is not here yet, and is kept once it comes: is the version right?
pin-off = { $pin } is no longer pinned.
pin-was-off = { $pin } was not pinned.
pins-none = Nothing is pinned.
quota-none = { $used } used, no quota; { $free } free on the disk
quota-set = { $used } used of { $quota }; { $free } free on the disk
quota-over = { $used } used, more than the quota of { $quota }: nothing new is stored; { $free } free on the disk
scrub-done = { $checked } chunks read ({ $bytes }).
scrub-stopped = Stopped after { $checked } chunks ({ $bytes }): `karez scrub --resume` goes on there.
scrub-never = No scrub has run since the node started.
scrub-repairing = fetching what was damaged
scrub-found = Damaged: { $found }; repaired { $repaired }, not needed any more { $unneeded }, nobody has { $missing }
scrub-lost-of = {" "}of: { $items }
scrub-lost = { $version } still lacks { $chunks } chunks ({ $bytes }){ $of }. They are fetched as soon as another node has them.
scrub-lost-published = { $version } still lacks { $chunks } chunks ({ $bytes }){ $of }. Publish the folder again: what is missing is stored again.
scrub-lost-superseded = { $version } still lacks { $chunks } chunks ({ $bytes }){ $of }. A newer version is here: `karez gc` removes this one.
scrub-unreadable = { $path } cannot be read, so nobody knows what it named: remove it, then pull or publish that again.
error-busy-publish = a folder is being published: try again when that has ended
error-busy-import = a bundle is being taken in: try again when that has ended
error-busy-use = what was to go came into use at the same moment: try again
error-short = { $bytes } of those asked for do not come free: unpin or unfollow something, or add --last-copies
gc-goes = went       { $name }, { $bytes }: { $reason }
gc-would-go = would go   { $name }, { $bytes }: { $reason }
gc-stays = kept       { $name }: { $reason }
gc-name = { $collection } version { $version }
gc-name-draft = { $collection } version { $version } (not signed)
gc-pinned = pinned
gc-published = published here
gc-following = followed
gc-pulling = being fetched
gc-in-use = being read
gc-newest = the newest version
gc-until-newer = the newest whole version, until the one being fetched is here
gc-last-copy = maybe the last copy in the county (--last-copies lets it go); { $holders }
gc-not-needed = enough comes free without it; { $holders }
gc-superseded = there is a newer version
gc-for-room = not followed, and not opened for longest; { $holders }
gc-holders = other copies in the county: { $county }, elsewhere: { $elsewhere }
gc-holders-unknown = other copies known in the county: { $county } (unknown for { $unknown } members not heard of), elsewhere: { $elsewhere }
gc-would-free = { $bytes } would come free.
gc-freed = { $bytes } are free again.
gc-left = { $bytes } of garbage stay in files that hold little of it.
