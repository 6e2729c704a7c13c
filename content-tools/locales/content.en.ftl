### What karez-content says, in English. Keys are the same in every language; `{ $name }` are arguments.

## Errors
error-no-store = there is no store in { $dir }: check --store, or make one with `karez-content pack`
error-no-folder = there is no folder { $dir }: check the path
error-no-file = there is no file { $path }: check the path
error-not-a-file = { $path } is not a file: give the file to cut
error-unreadable = { $path } cannot be read: { $detail }
error-no-manifest = this store has no manifest '{ $text }': give a manifest id, PUBLISHER/NAME[@VERSION] or a file with a manifest root
error-no-item = '{ $manifest }' has no item '{ $item }': without --item all are listed
error-missing-page = a page of the manifest is not in this store yet: pull the collection first
error-locked = the store { $dir } is in use by another Karez process: stop that one, or use its commands
error-read-only = the store { $dir } cannot be written to: its disk or folder is read-only. Make it writable, or use a copy
error-disk-full = no space left on the disk of { $path }: free some and try again; nothing stored before is lost, and `karez-content gc` gives back what was left unfinished
error-quota = the store { $dir } has reached its quota of { $bytes } bytes: `karez-content gc` gives back what is not needed, or raise the quota
error-system = { $path } cannot be used: { $detail }
error-file-changed = { $path } was changed, moved or removed, and no longer holds what is to be read from it: pack its folder again
error-chunk-damaged = chunk { $chunk } is damaged on disk: pack the folder again, or let the node fetch it
error-chunk-gone = chunk { $chunk } was stored and cannot be found any more: check the disk, then try again
error-away = { $path } is not there, nor is its disk: attach the disk again
error-poisoned = an earlier write to the disk of { $dir } failed: check the disk, then start again
error-newer-format = { $path } was written by a newer Karez: update this program
error-index = the index of the store failed ({ $detail }): it is rebuilt when the store is opened the next time
error-damaged-release = { $path } is damaged, and what it named may still be needed: nothing was removed. Remove the file, then pull or pack that again
error-not-whole = { $name } is not whole in this store, so nothing was removed: finish pulling it, or pack it again (`karez gc` in the running node need not wait)
error-damaged-pins = { $path } is damaged, so nothing is compacted: remove it and pin again what must stay
error-no-collection = { $fault ->
    [newer] this description of a collection was written by a newer Karez: update this program
   *[other] this is no description of a collection, or it is damaged
}
error-not-a-folder = { $path } is not a folder: put the file into a folder of its own and pack that
error-empty = { $path } holds no file to pack: what was packed before stays as it is
error-empty-skipped = { $path } holds no file to pack ({ left-out }): what was packed before stays as it is
error-store-inside = the store { $path } lies inside the folder, or the folder inside the store: keep them apart
error-changing = { $path } is being changed by another program: wait until it is finished, then pack again
error-name-encoding = the name { $path } is not UTF-8: rename it (convmv turns old GBK names into UTF-8)
error-compressed-tar = { $path } is a compressed archive: after any change inside, all of it would have to be sent again. Unpack it, or pack with --unpack
error-compressed-tar-by-hand = { $path } is a compressed archive: after any change inside, all of it would have to be sent again. Unpack it
error-unreadable-inside = { $path } cannot be read: { $detail }; make it readable or take it out of the folder
error-unpack = { $path } cannot be unpacked, as { unpack-fault }; unpack it by hand
error-name = { $path } cannot be packed, as { name-fault }: rename it
error-names = { $count } names cannot be packed:
    {"    "}{ $lines }
    Rename them: UTF-8 (convmv turns old GBK names into it), no control characters, at most 255 bytes in a name and 1024 in a path; in an archive no path that begins with / or has . or .. in it
error-description = { $path } is not right: { $lines }
error-unknown-item = { $path } describes item '{ $key }', but there is no such folder or file: correct the name
error-item-left-out = { $path } describes item '{ $key }', which is left out ({ skip-reason }): finish or rename it, or take the entry out
error-collision = '{ $path }' is in the folder and in an archive or rendition: rename one of them
error-sensitivity = collection.toml says sensitivity = "{ $found }": only open collections can be published so far, and everything published can be read by all members
error-refused = nothing was packed: clear tags with a DICOM de-identification tool, unpack archives, or take the files out of the folder
error-too-large = the folder is too large for one collection ({ $detail }): split it
error-no-ffmpeg = renditions need { $program }, which is not installed on this machine (Debian and Ubuntu: apt install ffmpeg)
error-ffmpeg = ffmpeg failed on { $path }: { $line } (its log is { $log })
error-ffmpeg-start = ffmpeg cannot be started: { $detail }

## Results
files = { $count ->
    [one] 1 file
   *[other] { $count } files
}
items = { $count ->
    [one] 1 item
   *[other] { $count } items
}
pages = { $count ->
    [one] 1 page
   *[other] { $count } pages
}
rows = { $count ->
    [one] 1 chunk row
   *[other] { $count } chunk rows
}
bytes = { $count ->
    [one] 1 byte
   *[other] { $count } bytes
}
pack-progress = { $done }/{ $total } files, { $bytes }/{ $all } bytes, { $rate } MB/s, { $left } s left
pack-rendering = making renditions, { $number } of { $total } ({ $height }): { $percent } %
pack-skipped = left out: { $path } ({ $reason })
pack-warning = warning: { $path }: { $text }
pack-warnings-more = and { $count } more
pack-refused-file = { $path }: { $text }
pack-plain = { $count ->
    [one] One film or archive is cut like other files: --json says which and why
   *[other] { $count } films or archives are cut like other files: --json says which and why
}
pack-unchanged = { $collection }: nothing has changed since version { $version }
pack-done = { $collection }: version { $version }, { $files }, { $bytes }
pack-wire = new content: { $wire } of { $stored } bytes
pack-in-place = { $bytes } bytes stay in the folder: do not move or change its files without packing it again
pack-restored = { $chunks ->
    [one] 1 chunk
   *[other] { $chunks } chunks
} ({ $bytes } bytes) that this store lacked, stored again
pack-copied = { $bytes } bytes that stood in a folder's files are copies in the store now: this version does not need those files any more
manifest = manifest { $id }
inspect-sizes = { $items }, { $files }, { $bytes }, { $stored } stored
inspect-pages = { $pages }, { $rows }
inspect-empty = empty
diff-wire = new content: { $bytes } bytes; with headers about { $framed } on the wire
quote-exact = content to fetch: exactly { $wire } of { $stored } bytes; with headers about { $framed } on the wire
quote-upper = content to fetch: at most { $wire } of { $stored } bytes (the manifest's pages are not here); with headers at most about { $framed } on the wire
gc-keep = keep { $name }: the newest, or pinned
gc-drop = drop { $name }: there is a newer one
gc-drop-damaged = drop { $name }: its release file is damaged, and there is a newer one
gc-draft = draft
gc-release = release
gc-would-free = { $bytes } bytes would come free by rewriting { $segments ->
    [one] 1 segment
   *[other] { $segments } segments
}
gc-freed = { $bytes } bytes are free again, { $chunks ->
    [one] 1 chunk was moved
   *[other] { $chunks } chunks were moved
}
gc-left = { $bytes } bytes of garbage stay in segments that hold little of it
gc-damaged = { $chunks ->
    [one] 1 damaged chunk was found: it will be fetched again
   *[other] { $chunks } damaged chunks were found: they will be fetched again
}
gc-forgotten = { $chunks ->
    [one] 1 damaged chunk that no version needs any more is off the list
   *[other] { $chunks } damaged chunks that no version needs any more are off the list
}
pin-on = { $pin } is pinned now
pin-was-on = { $pin } was pinned already
pin-absent = , but it is not in this store yet: it is kept once it comes. Is the name right?
pin-off = { $pin } is no longer pinned
pin-was-off = { $pin } was not pinned
quota-none = { $used } bytes used, no quota
quota-set = { $used } bytes used, { $quota } bytes allowed
damaged = damaged: { $chunk }
damaged-in = damaged: { $chunk } in { $path }
damaged-unneeded = {" "}(no version needs it: `karez-content gc` takes it off the list)
scrub-file-unneeded = {"; "}{ $unneeded } of them no version needs: `karez-content gc` takes these off the list
scrub-file-changed = { $path } was changed, moved or removed: { $chunks ->
    [one] 1 chunk is no longer in it
   *[other] { $chunks } chunks are no longer in it
}
scrub-done = { $checked ->
    [one] 1 chunk checked
   *[other] { $checked } chunks checked
}, { $damaged } damaged; { $lost } of { $versions ->
    [one] 1 version has
   *[other] { $versions } versions have
} lost something
lost-unreadable = { $path } cannot be read, nobody knows what it named: remove it, then pull or publish that again
lost = { $name } has lost { $figures }
lost-to-come = { $name } is being pulled, no damage: { $figures } to come
lost-chunks = { $chunks ->
    [one] 1 chunk
   *[other] { $chunks } chunks
} ({ $bytes } bytes)
lost-pages = {", "}pages among them that name { $chunks ->
    [one] 1 chunk
   *[other] { $chunks } chunks
}
lost-items = {", "}of { $items }
lost-items-more = {" "}and { $count } more
lost-superseded = a newer version is here: `gc` drops this one, or it comes back as the newest would
lost-draft = pack or publish the folder again: what is missing is stored again
lost-release = start the node and run `karez scrub`: it is fetched from other nodes; where it was published, publish the folder again
