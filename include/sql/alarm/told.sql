-- Record that a channel was told; again is nothing. Parameters: number, channel, news, at. Index: primary key.
insert into alarm_told (number, channel, news, at) values (:number, :channel, :news, :at) on conflict do nothing
