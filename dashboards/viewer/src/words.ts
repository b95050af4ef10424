/** Chinese words for the parts of Grafana's components that speak. */
import { initPluginTranslations } from '@grafana/i18n';
import i18next from 'i18next';

const WORDS = {
  'refresh-picker': {
    'auto-option': { label: '自动', 'aria-label': '自动选择刷新间隔' },
    'off-option': { label: '关', 'aria-label': '关闭自动刷新' },
    'live-option': { label: '实时', 'aria-label': '实时' },
    tooltip: { 'interval-selected': '自动刷新间隔', 'turned-off': '自动刷新已关' },
    'aria-label': { 'choose-interval': '自动刷新已关，点开选择间隔', 'duration-selected': '自动刷新间隔 {{durationAriaLabel}}' },
  },
  'time-picker': {
    absolute: { 'recent-title': '最近用过的时间范围', title: '起止时间' },
    calendar: { 'apply-button': '应用', 'cancel-button': '取消', 'next-month': '下个月', 'previous-month': '上个月', 'select-time': '选择时间', close: '关闭日历' },
    content: { 'empty-recent-list-info': '', 'filter-placeholder': '查找时间范围' },
    'copy-paste': { 'tooltip-copy': '复制时间范围', 'tooltip-paste': '粘贴时间范围', 'copy-success-message': '已复制' },
    footer: {
      'change-settings-button': '时区设置', 'fiscal-year-option': '财年', 'fiscal-year-start': '财年起始月',
      'time-zone-option': '时区', 'time-zone-selection': '选择时区',
    },
    'range-content': {
      'apply-button': '应用', 'from-input': '从', 'to-input': '到', 'open-input-calendar': '打开日历',
      'range-error': '“从”须早于“到”', 'default-error': '请输入过去的时间，或 now', 'fiscal-year': '财年',
    },
    'range-picker': {
      'backwards-time-aria-label': '向前移动时间范围', 'forwards-time-aria-label': '向后移动时间范围',
      to: '到', 'zoom-out-button': '放宽时间范围', 'zoom-out-tooltip': '放宽时间范围', 'current-time-selected': '所选时间 {{currentTimeRange}}',
    },
    'time-range': {
      'aria-role': '选择时间范围', 'default-title': '时间范围', 'example-title': '示例', 'from-to': '{{timeOptionFrom}} 到 {{timeOptionTo}}',
      'more-info': '', specify: '指定时间范围', 'submit-button-label': '应用', 'from-label': '从', 'to-label': '到', 'title': '时间范围',
    },
    zone: { 'select-aria-label': '时区', 'select-search-input': '输入城市或时区' },
  },
  'grafana-ui': {
    'panel-chrome': { 'errors-and-notices': '出错与提示', 'ariaLabel-panel-loading': '载入中', 'ariaLabel-panel-status': '状态' },
    'panel-menu': { label: '{{title}} 的菜单', title: '菜单' },
    table: { 'no-rows': '没有数据', 'no-rows-notice': '没有数据' },
  },
  combobox: { 'custom-value': { description: '使用所输入的值' }, options: { 'no-found': '没有找到' } },
  'multicombobox': { all: { title: '全部', 'title-filtered': '全部（筛选后）' } },
};

export async function speakChinese(): Promise<void> {
  await initPluginTranslations('grafana');
  i18next.addResourceBundle('zh-Hans', 'grafana', WORDS, true, true);
  i18next.addResourceBundle('zh-Hans', 'translation', WORDS, true, true);
  await i18next.changeLanguage('zh-Hans');
}
