// The short codes that people and training bots use most; others stay as they are written.

const EMOJI = {
  "+1": "👍", "-1": "👎", "100": "💯", alarm_clock: "⏰", arrow_down: "⬇️", arrow_forward: "▶️", arrow_right: "➡️",
  arrow_up: "⬆️", ballot_box_with_check: "☑️", bar_chart: "📊", bell: "🔔", black_square_for_stop: "⏹️", boom: "💥",
  bug: "🐛", bulb: "💡", calendar: "📅", chart_with_downwards_trend: "📉", chart_with_upwards_trend: "📈",
  checkered_flag: "🏁", clap: "👏", clipboard: "📋", clock1: "🕐", coffee: "☕", computer: "💻", construction: "🚧",
  date: "📅", double_vertical_bar: "⏸️", exclamation: "❗", eyes: "👀", file_folder: "📁", fire: "🔥", fish: "🐟",
  floppy_disk: "💾", gear: "⚙️", grey_question: "❔", hammer: "🔨", heart: "❤️", heavy_check_mark: "✔️",
  hourglass: "⌛", hourglass_flowing_sand: "⏳", inbox_tray: "📥", information_source: "ℹ️", key: "🔑",
  label: "🏷️", large_blue_circle: "🔵", large_green_circle: "🟢", large_orange_circle: "🟠", large_red_square: "🟥",
  large_yellow_circle: "🟡", link: "🔗", lock: "🔒", mag: "🔍", medal: "🏅", memo: "📝", mute: "🔇", no_bell: "🔕",
  no_entry: "⛔", octagonal_sign: "🛑", package: "📦", page_facing_up: "📄", paperclip: "📎", pray: "🙏",
  pushpin: "📌", question: "❓", rainbow: "🌈", red_circle: "🔴", repeat: "🔁", rocket: "🚀", rotating_light: "🚨",
  skull: "💀", smile: "😄", snail: "🐌", sparkles: "✨", star: "⭐", stopwatch: "⏱️", tada: "🎉", thinking_face: "🤔",
  thumbsdown: "👎", thumbsup: "👍", traffic_light: "🚦", trophy: "🏆", warning: "⚠️", wastebasket: "🗑️", wave: "👋",
  white_check_mark: "✅", white_circle: "⚪", wrench: "🔧", x: "❌", zap: "⚡", zzz: "💤",
};

export const emoji = (name) => EMOJI[name] ?? `:${name}:`;
